// Makes the demo's four accounts, or gives those it made before new passwords, and prints them, one `email password` a line.
//
//   node scripts/demo-accounts.mjs             DEMO_PASSWORD for all of them, else a random one each, shown this once
//   node scripts/demo-accounts.mjs --remove    deletes every account that it ever made here
//
// It knows its own accounts by a mark in app_metadata, which only the service role can write, and touches no other.
import { randomBytes } from 'node:crypto'
import { Stop, allUsers, checkProject, withAuthAdmin } from './admin.mjs'

const MARK = 'chopped_chat_demo'
const ACCOUNTS = [
  { email: 'ana@example.com', name: 'Ana', mongoUserId: '665f1c2ab7d4e09a31c0a001' },
  { email: 'ben@example.com', name: 'Ben', mongoUserId: '665f1c2ab7d4e09a31c0b002' },
  { email: 'cleo@example.com', name: 'Cleo', mongoUserId: '665f1c2ab7d4e09a31c0c003' },
  { email: 'dan@example.com', name: 'Dan', mongoUserId: '665f1c2ab7d4e09a31c0d004' },
]

const isOurs = (user) => user.app_metadata?.[MARK] === true

async function make(admin) {
  await checkProject()
  const users = await allUsers(admin)
  const ours = new Map(users.filter(isOurs).map((user) => [user.app_metadata.mongoUserId, user]))
  const emails = new Set(ACCOUNTS.map(({ email }) => email))
  const ids = new Set(ACCOUNTS.map(({ mongoUserId }) => mongoUserId))
  // Before anything is written.
  const foreign = users.find((user) => !isOurs(user) && (emails.has(user.email) || ids.has(user.app_metadata?.mongoUserId)))
  if (foreign !== undefined) {
    throw new Stop(`${foreign.email ?? foreign.id} is in this project already and was not made by this demo, so it is left alone. Use a project without it.`)
  }

  for (const { email, name, mongoUserId } of ACCOUNTS) {
    const password = process.env.DEMO_PASSWORD || randomBytes(12).toString('base64url')
    const wanted = { email, password, email_confirm: true, app_metadata: { mongoUserId, name, [MARK]: true } }
    const known = ours.get(mongoUserId)
    const { error } = known ? await admin.updateUserById(known.id, wanted) : await admin.createUser(wanted)
    if (error) throw error
    console.log(`${email} ${password}`)
  }
}

async function remove(admin) {
  const ours = (await allUsers(admin)).filter(isOurs)
  for (const user of ours) {
    const { error } = await admin.deleteUser(user.id)
    if (error) throw error
    console.log(`${user.email} deleted`)
  }
  if (ours.length === 0) console.log('There is no account of the demo in this project.')
}

const [argument, ...more] = process.argv.slice(2)
if (more.length > 0 || ![undefined, '--remove'].includes(argument)) {
  console.error('The only argument is --remove.')
  process.exit(1)
}
await withAuthAdmin(argument === '--remove' ? remove : make)
