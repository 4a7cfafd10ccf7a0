// Makes the demo's accounts, or sets those that are there to what they should be. Works on any Supabase project.
import { allUsers, authAdmin } from './admin.mjs'

const PASSWORD = 'chopped-demo'
const ACCOUNTS = [
  { email: 'ana@example.com', name: 'Ana', mongoUserId: '665f1c2ab7d4e09a31c0a001' },
  { email: 'ben@example.com', name: 'Ben', mongoUserId: '665f1c2ab7d4e09a31c0b002' },
  { email: 'cleo@example.com', name: 'Cleo', mongoUserId: '665f1c2ab7d4e09a31c0c003' },
  { email: 'dan@example.com', name: 'Dan', mongoUserId: '665f1c2ab7d4e09a31c0d004' },
]

const admin = authAdmin()
const byEmail = new Map((await allUsers(admin)).map((user) => [user.email, user]))

for (const { email, name, mongoUserId } of ACCOUNTS) {
  const wanted = { password: PASSWORD, email_confirm: true, app_metadata: { mongoUserId, name } }
  const known = byEmail.get(email)
  const { error } = known ? await admin.updateUserById(known.id, wanted) : await admin.createUser({ email, ...wanted })
  if (error) {
    console.error(`${email}: ${error.message}`)
    process.exit(1)
  }
  console.log(`${email} ${known ? 'updated' : 'created'}`)
}
