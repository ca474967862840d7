/** What the dashboard uses of the npm package, which may not be built when this is checked. */
declare module "@postrider/verifier/full" {
  interface Result {
    ok: boolean;
    code: string;
    hint: string;
    keyIndex: number;
  }
  export function webhook(options: {
    scheme: never;
    secrets: readonly string[];
    toleranceSec?: number;
    parse?: false;
    clock?: () => number;
    headerNames?: { id?: string; timestamp?: string; signature?: string };
  }): { safeVerify(body: Uint8Array, headers: [string, string][]): Result };
  export function sign(options: {
    scheme: never;
    secrets: readonly string[];
    body: Uint8Array;
    id?: string;
    timestamp?: number;
    headerNames?: { id?: string; timestamp?: string; signature?: string };
  }): Record<string, string>;
}
