#!/usr/bin/env node
// `npx chopped-chat init`: the migrations and the endpoints of this package, copied into a project.
import { once } from 'node:events'
import { mkdirSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { createInterface } from 'node:readline/promises'
import { parseArgs } from 'node:util'
import { endpoints, migrations } from './steps.js'

const USAGE = `Usage: npx chopped-chat init [--dir DIR] [--dry-run] [--force]

Copies into your project:
  supabase/migrations/<time>_chat_*.sql   the chat's tables, policies and functions
  app/api/chat/                           the two endpoints, if it is a Next.js app (src/app if it has that)

What is there stays. A file that differs is overwritten only if you say so; a migration that differs may be applied
already, so the package's one is added behind it. Run it again after an update of chopped-chat.

  --dir DIR   the project's folder; the current one unless said
  --dry-run   say what would be done, and write nothing
  --force     do not ask about what differs: take the package's
  --help      this text

It ends with 0 if all is in place, 1 if something that differs was kept or a file could not be written, 2 if it was
called wrongly.
`

/** @param {string} sentence @returns {never} */
function misused(sentence) {
  console.error(`${sentence}\n\n${USAGE}`)
  process.exit(2)
}

function commandLine() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        dir: { type: 'string', default: '.' },
        'dry-run': { type: 'boolean', default: false },
        force: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    })
  } catch (error) {
    misused(error instanceof Error ? error.message : String(error))
  }
}

/** @param {string} path */
const isFolder = (path) => statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false

/** Whether the person at the terminal agrees; nobody there does not. @param {string} question */
async function agreed(question) {
  if (!process.stdin.isTTY || !process.stdout.isTTY) return false
  const terminal = createInterface({ input: process.stdin, output: process.stdout })
  terminal.on('SIGINT', () => process.exit(130))
  const answer = await Promise.race([terminal.question(`${question} [y/N] `), once(terminal, 'close').then(() => '')])
  terminal.close()
  return /^y(es)?$/i.test(answer.trim())
}

/** @param {string} project @param {{ dry: boolean, force: boolean }} how @returns {Promise<number>} the exit status */
async function init(project, { dry, force }) {
  const say = (/** @type {string} */ what, /** @type {string} */ path) => console.log(`${what.padEnd(9)} ${path}`)
  const write = (/** @type {import('./steps.js').Step} */ { target, text }) => {
    if (dry) return
    mkdirSync(dirname(join(project, target)), { recursive: true })
    writeFileSync(join(project, target), text)
  }
  const routes = endpoints(project)
  let written = 0
  let kept = 0
  for (const step of [...migrations(project), ...routes]) {
    const { state, path, target } = step
    if (state === 'same' || state === 'yours') {
      say(state, path)
      continue
    }
    const isNew = state === 'missing' || path !== target
    const question = `${path} differs. ${isNew ? `Add ${target}?` : 'Overwrite it?'}`
    if (state === 'missing' || force || (!dry && (await agreed(question)))) {
      write(step)
      say((isNew ? 'create' : 'replace') + (dry ? '' : 'd'), target)
      written++
    } else {
      say('differs', `${path} (kept)`)
      kept++
    }
  }
  if (dry) console.log('Nothing was written: this was a dry run.')
  if (kept > 0) console.log(`${kept} of the files differ from this package's and were kept. --force takes the package's.`)
  if (routes.length === 0) console.log('This is no Next.js app, so the endpoints were left out: run it in the folder of your Next.js backend too.')
  if (written > 0 && !dry) console.log(nextSteps(routes))
  return kept > 0 ? 1 : 0
}

/** @param {import('./steps.js').Step[]} routes */
function nextSteps(routes) {
  const people = routes.find(({ path }) => path.endsWith('/people.ts'))?.path
  const steps = [
    `Apply the migrations: npx supabase db push, or paste them into the SQL editor in the order of their names.
   Then run ${join(import.meta.dirname, '../supabase/doctor.sql')} there: it says what is missing.`,
    'Supabase dashboard, Realtime, Settings: private channels must be allowed. Switch "Allow public access" off if you can.',
    ...(people
      ? [
          'npm install @supabase/ssr @supabase/supabase-js   (on Node.js older than 22 supabase-js wants a global WebSocket too)',
          `Set in the backend: NEXT_PUBLIC_SUPABASE_URL, NEXT_PUBLIC_SUPABASE_ANON_KEY, SUPABASE_SERVICE_ROLE_KEY (secret),
   ALLOWED_ORIGINS (the exact origins of your pages, with commas)`,
          `${people}: make isKnownPerson ask your database who can be written to.`,
        ]
      : []),
    'Every account needs its Mongo id in app_metadata.mongoUserId, written by an administrator.',
  ]
  return `\nNext:\n${steps.map((step, index) => `${index + 1}. ${step}`).join('\n')}`
}

const { values: flags, positionals } = commandLine()
if (flags.help) {
  process.stdout.write(USAGE)
} else if (positionals.length !== 1 || positionals[0] !== 'init') {
  misused(positionals.length === 0 ? 'Say what to do: init.' : `There is no "${positionals.join(' ')}", only init.`)
} else {
  const project = resolve(flags.dir)
  if (!isFolder(project)) misused(`There is no folder ${flags.dir}.`)
  try {
    process.exitCode = await init(project, { dry: flags['dry-run'], force: flags.force })
  } catch (error) {
    console.error(`Stopped: ${error instanceof Error ? error.message : error}`)
    process.exitCode = 1
  }
}
