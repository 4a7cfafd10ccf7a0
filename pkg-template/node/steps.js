// What `init` has to do in a project, file by file; nothing is written here.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const PACKAGE = join(import.meta.dirname, '..')
const MIGRATIONS = 'supabase/migrations'
/** Files that are made to be changed: they are copied once. */
const YOURS = ['app/api/chat/_lib/people.ts']

/**
 * @typedef {object} Step
 * @property {'missing' | 'same' | 'yours' | 'differs'} state
 * @property {string} path the file in the project; where it would be, if it is missing
 * @property {string} target where it would be written to
 * @property {string} text what this package has
 */

/**
 * The migrations, after everything that is there. One is known again by its content, or by its name without the time. One
 * that differs may be applied already: the newer one would come behind it, as a file of its own.
 *
 * @param {string} project @returns {Step[]}
 */
export function migrations(project) {
  const folder = join(project, MIGRATIONS)
  const there = existsSync(folder) ? filesBelow(folder).filter((name) => name.endsWith('.sql')) : []
  const texts = new Map(there.map((name) => [name, read(join(folder, name))]))
  const first = Math.max(Date.now(), ...there.map((name) => timeOf(name) + 1000))
  return filesBelow(join(PACKAGE, MIGRATIONS)).map((name, index) => {
    const text = read(join(PACKAGE, MIGRATIONS, name))
    const target = `${MIGRATIONS}/${stamp(first + index * 1000)}_${title(name)}`
    const same = there.find((other) => texts.get(other) === text)
    const found = same ?? there.findLast((other) => title(other) === title(name))
    if (!found) return { state: 'missing', path: target, target, text }
    return { state: same ? 'same' : 'differs', path: `${MIGRATIONS}/${found}`, target, text }
  })
}

/** The endpoints, into `app` or `src/app`; none where there is no Next.js. @param {string} project @returns {Step[]} */
export function endpoints(project) {
  const has = (/** @type {string} */ path) => existsSync(join(project, path))
  const { dependencies, devDependencies } = has('package.json') ? JSON.parse(read(join(project, 'package.json'))) : {}
  if (!has('app') && !has('src/app') && !{ ...dependencies, ...devDependencies }.next) return []

  // Next.js wants app beside pages.
  const root = !has('app') && (has('src/app') || has('src/pages')) ? 'src/' : ''
  return filesBelow(join(PACKAGE, 'next')).map((name) => {
    const path = root + name
    const text = read(join(PACKAGE, 'next', name))
    /** @returns {Step['state']} */
    const state = () => {
      if (!has(path)) return 'missing'
      if (read(join(project, path)) === text) return 'same'
      return YOURS.includes(name) ? 'yours' : 'differs'
    }
    return { state: state(), path, target: path, text }
  })
}

/** Git may have changed the ends of lines. @param {string} path */
const read = (path) => readFileSync(path, 'utf8').replaceAll('\r\n', '\n')

/** @param {string} dir @returns {string[]} the paths of the files in `dir`, sorted */
const filesBelow = (dir) =>
  readdirSync(dir, { withFileTypes: true })
    .flatMap((entry) => (entry.isDirectory() ? filesBelow(join(dir, entry.name)).map((path) => `${entry.name}/${path}`) : [entry.name]))
    .sort()

/** @param {string} migration its file's name */
const title = (migration) => migration.replace(/^\d+_/, '')

/** @param {string} migration @returns {number} its time in ms, 0 if it has none */
function timeOf(migration) {
  const [, ...parts] = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)_/.exec(migration) ?? []
  const [year = 1970, month = 1, day = 1, hour = 0, minute = 0, second = 0] = parts.map(Number)
  return Date.UTC(year, month - 1, day, hour, minute, second)
}

/** @param {number} time in ms */
const stamp = (time) => new Date(time).toISOString().replace(/\D/g, '').slice(0, 14)
