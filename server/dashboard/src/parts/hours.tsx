/** How many hours a chart shows. */
export function SelectHours({ value, set }: { value: string; set: (value: string) => void }) {
  return (
    <label className="choice">
      <span>Time</span>
      <select value={value} onChange={(event) => set(event.target.value)}>
        <option value="24">24 hours</option>
        <option value="48">2 days</option>
        <option value="168">7 days</option>
      </select>
    </label>
  );
}
