import { answer, apiFor, isProblem } from "../api/client";
import { tell } from "../parts/told";
import { signIn, signOut } from "./key";

/** Signs in with a key, or with the token of a portal link, which is good for one key. */
export async function enter(token: string): Promise<void> {
  if (token.startsWith("key_")) return signIn(token);
  signOut("left");
  try {
    const { key } = await answer(apiFor(null).POST("/v1/portal-sessions", { body: { token } }));
    signIn(key);
  } catch (error) {
    if (!isProblem(error)) throw error;
    tell(`This link does not sign in any more. ${error.detail}`, "bad");
  }
}
