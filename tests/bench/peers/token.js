// The token of the backend's session: asked for once, and again a minute before it ends.
let token
let until = 0

/** @param {{ tokenUrl: string }} config */
export function freshToken({ tokenUrl }) {
  if (Date.now() > until) takeToken(fetch(tokenUrl, { credentials: 'include' }))
  return token
}

/** The answer of the backend, asked for here or by the page. @param {Promise<Response>} answer */
export function takeToken(answer) {
  until = Infinity
  token = answer
    .then((response) => response.json())
    .then(({ access_token, expires_in }) => {
      until = Date.now() + (expires_in - 60) * 1000
      return access_token
    })
    .catch((error) => {
      until = 0
      throw error
    })
}
