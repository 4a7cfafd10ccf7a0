import { type FormEvent, useState } from 'react'
import { Avatar } from './Avatar.tsx'
import { BackendError, type Person, signIn } from './backend.ts'
import { DEMO_ACCOUNTS, DEMO_PASSWORD } from './demo-accounts.ts'
import { Wordmark } from './Wordmark.tsx'
import './styles/sign-in.css'

export function SignInPage({ onSignedIn }: { onSignedIn: (me: Person) => void }) {
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<string>()
  // One of the demo's, whose password the page does not know.
  const [picked, setPicked] = useState<string>()
  const neighbour = otherLocalName()

  const enter = (email: string, password: string) => {
    setBusy(true)
    setProblem(undefined)
    signIn(email, password)
      .then(onSignedIn, (error: unknown) => {
        const wrong = error instanceof BackendError && error.code === 'invalid-credentials'
        setProblem(wrong ? 'No account has this e-mail and password.' : error instanceof Error ? error.message : String(error))
      })
      .finally(() => setBusy(false))
  }

  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const entries = new FormData(event.currentTarget)
    enter(String(entries.get('email')), String(entries.get('password')))
  }

  const pick = (email: string) => (DEMO_PASSWORD === '' ? setPicked(email) : enter(email, DEMO_PASSWORD))

  return (
    <main className="sign-in">
      <Wordmark />
      <h1>Who is cooking?</h1>
      <p className="lead">
        Pick one of the demo’s cooks. For a second one, open this page{' '}
        {neighbour !== undefined && (
          <>
            as{' '}
            <a href={neighbour.href} target="_blank" rel="noreferrer">
              {neighbour.host}
            </a>{' '}
            or{' '}
          </>
        )}
        in a private window.
        {DEMO_PASSWORD === '' && ' Their passwords are in the terminal where the demo was started.'}
      </p>

      <ul className="accounts">
        {DEMO_ACCOUNTS.map(({ name, email }) => (
          <li key={email}>
            <button type="button" disabled={busy} onClick={() => pick(email)} data-testid={`sign-in-${name.toLowerCase()}`}>
              <Avatar name={name} />
              <span>{name}</span>
            </button>
          </li>
        ))}
      </ul>

      <details open={picked !== undefined}>
        <summary>Another account</summary>
        <form key={picked} onSubmit={submit}>
          <label>
            E-mail
            <input name="email" type="email" autoComplete="username" defaultValue={picked} required />
          </label>
          <label>
            Password
            <input name="password" type="password" autoComplete="current-password" autoFocus={picked !== undefined} required />
          </label>
          <button type="submit" className="button" disabled={busy}>
            Sign in
          </button>
        </form>
      </details>
      <p className="problem" role="alert">
        {problem}
      </p>
    </main>
  )
}

const OTHER_NAME: Record<string, string> = { localhost: '127.0.0.1', '127.0.0.1': 'localhost' }

/** This page by its other local name, which has cookies of its own. */
function otherLocalName(): URL | undefined {
  const address = new URL(location.href)
  const other = OTHER_NAME[address.hostname]
  if (other === undefined) return undefined
  address.hostname = other
  return address
}
