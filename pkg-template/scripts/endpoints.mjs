// The chat's endpoints of the example backend, in a shape that fits into any Next.js app: what they import lies in a folder
// of their own, where it meets no file of the app, and is found without an alias.
import { readdir, readFile } from 'node:fs/promises'
import { join, posix } from 'node:path'

const ROUTES = 'app/api/chat'
/** Next.js makes no routes of a folder with an underscore. */
const LIB = `${ROUTES}/_lib`

/** @param {string} backend its folder @returns {Promise<Map<string, string>>} path in the app -> text */
export async function endpoints(backend) {
  /** @type {Map<string, string>} */
  const files = new Map()
  const waiting = (await readdir(join(backend, ROUTES), { recursive: true }))
    .filter((path) => path.endsWith('route.ts'))
    .sort()
    .map((path) => ({ from: join(ROUTES, path), to: posix.join(ROUTES, path) }))
  for (const { from, to } of waiting) {
    if (files.has(to)) continue
    const text = await readFile(join(backend, from), 'utf8')
    files.set(
      to,
      text.replace(/(?<=from ')@\/lib\/([\w-]+)(?=')/g, (_, name) => {
        waiting.push({ from: `lib/${name}.ts`, to: `${LIB}/${name}.ts` })
        const path = posix.relative(posix.dirname(to), `${LIB}/${name}`)
        return path.startsWith('.') ? path : `./${path}`
      }),
    )
  }
  return files
}
