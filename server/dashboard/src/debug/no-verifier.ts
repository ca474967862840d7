// Stands in where the verifier was not built: `npm run verifier` puts it into the page.

const missing = (): never => {
  throw new Error("this page was built without the verifier");
};

export const webhook = missing;
export const sign = missing;
