// What the stage's two pages share: whom they are about, and a look at every screen for messages out of order.
export const about = JSON.parse(decodeURIComponent(location.hash.slice(1)))
export const tokenUrl = `/api/token?user=${about.user}`
export const ensureUrl = (other) => `/api/ensure?me=${about.me}&other=${other}`
/** Long enough for a bubble to be on the screen. */
const SEEN = 40

/** The ids of messages that stood after one of a higher number. */
export const swapped = new Set()

/** To be called with each new screen. */
export function look(messages) {
  let highest = 0
  for (const { id, seq } of messages) {
    if (seq === null) continue
    if (seq < highest) swapped.add(id)
    else highest = seq
  }
}

export const seen = () => new Promise((done) => setTimeout(done, SEEN))
