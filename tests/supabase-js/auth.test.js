import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { anonKey, client, closeAll, password, person, serviceRoleKey, url } from './support.js'

after(closeAll)

test('signs in, reads its user, refreshes and signs out', async () => {
  const { client: me, id, email, mongoId, session } = await person()
  assert.equal(session.token_type, 'bearer')
  assert.ok(session.expires_in > 60)

  const { data, error } = await me.auth.getUser()
  assert.ifError(error)
  assert.deepEqual([data.user.id, data.user.email, data.user.app_metadata.mongoUserId], [id, email, mongoId])

  const refreshed = await me.auth.refreshSession()
  assert.ifError(refreshed.error)
  assert.notEqual(refreshed.data.session.refresh_token, session.refresh_token)

  const { error: leaving } = await me.auth.signOut()
  assert.ifError(leaving)
  const late = await client().auth.getUser(refreshed.data.session.access_token)
  assert.equal(late.error.name, 'AuthSessionMissingError')
})

test('verifies a token by the key set, without asking the server', async () => {
  const { client: me, id, mongoId } = await person()
  const { data, error } = await me.auth.getClaims()
  assert.ifError(error)
  assert.equal(data.header.alg, 'ES256')
  assert.deepEqual(
    [data.claims.sub, data.claims.role, data.claims.app_metadata.mongoUserId],
    [id, 'authenticated', mongoId],
  )
})

test('a user may change user_metadata and nothing else', async () => {
  const { client: me, mongoId } = await person()
  const { data, error } = await me.auth.updateUser({ data: { mongoUserId: 'forged', name: 'Ana' } })
  assert.ifError(error)
  assert.equal(data.user.user_metadata.name, 'Ana')
  assert.equal(data.user.app_metadata.mongoUserId, mongoId)
})

test('wrong credentials have their code', async () => {
  const { email } = await person()
  for (const wrong of [{ email, password: 'wrong' }, { email: 'nobody@example.com', password }]) {
    const { data, error } = await client().auth.signInWithPassword(wrong)
    assert.equal(data.session, null)
    assert.deepEqual([error.name, error.status, error.code], ['AuthApiError', 400, 'invalid_credentials'])
  }
})

test('a used refresh token is refused', async () => {
  const { data, error } = await client().auth.refreshSession({ refresh_token: 'nonsense' })
  assert.equal(data.session, null)
  assert.equal(error.code, 'refresh_token_not_found')
})

test('the admin API is for the service role', async () => {
  const { client: me, id } = await person()
  const { error } = await me.auth.admin.listUsers()
  assert.equal(error.code, 'not_admin')
  const service = client(serviceRoleKey)
  const listed = await service.auth.admin.listUsers({ perPage: 1000 })
  assert.ok(listed.data.users.some((user) => user.id === id))
  const changed = await service.auth.admin.updateUserById(id, { app_metadata: { plan: 'free' } })
  assert.equal(changed.data.user.app_metadata.plan, 'free')
  assert.ifError((await service.auth.admin.deleteUser(id)).error)
  assert.equal((await service.auth.admin.getUserById(id)).error.code, 'user_not_found')
})

test('no key and a foreign key are refused before any service', async () => {
  const keyless = await fetch(`${url}/rest/v1/chat_messages`)
  assert.equal(keyless.status, 401)
  const foreign = await fetch(`${url}/auth/v1/user`, { headers: { apikey: `${anonKey}x` } })
  assert.equal(foreign.status, 401)
})
