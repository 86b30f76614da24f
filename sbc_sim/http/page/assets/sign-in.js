// The token, asked for once; the server keeps it in a cookie that scripts cannot read.

import { html, useEffect, useRef, useState } from "./vendor/preact-htm.js";
import { API, post } from "./api.js";
import { Trouble } from "./ui.js";

export function SignIn({ done }) {
  const [error, setError] = useState(null);
  const field = useRef(null);
  useEffect(() => field.current.focus(), []);
  const send = async (event) => {
    event.preventDefault();
    try {
      await post(`${API}/session`, { token: field.current.value.trim() });
      done();
    } catch (problem) {
      setError(problem);
      field.current.select();
    }
  };
  return html`<section class="sign-in">
    <h1>Token</h1>
    <p>This simulator can be reached from other machines, so it asks for its token. The banner of <code>sbc-sim serve</code> shows it; <code>http.token</code> sets it.</p>
    <form onSubmit=${send}>
      <input class="offscreen" type="text" name="username" autocomplete="username" value="sbc-sim" readonly tabindex="-1" aria-hidden="true" />
      <label>Token <input ref=${field} type="password" name="token" autocomplete="current-password" required spellcheck="false" /></label>
      <button type="submit">Sign in</button>
    </form>
    <${Trouble} error=${error} />
  </section>`;
}
