import { useCallback, useEffect, useState } from 'react'
import { BackendError, type Person, people as fetchPeople } from './backend.ts'
import { ChoppingBoardPage } from './ChoppingBoardPage.tsx'
import { MISSING_SETTINGS } from './config.ts'
import { setMyMongoId, useMyMongoId } from './identity.ts'
import { Notice } from './Notice.tsx'
import { SignInPage } from './SignInPage.tsx'
import { SignOutDialog } from './SignOutDialog.tsx'
import { signOut, type Unsent, whatWouldBeLost } from './sign-out.ts'

interface Props {
  /** A sign-in that was under way when the page opened. */
  arrival: Promise<Person> | undefined
}

export function App({ arrival }: Props) {
  const myMongoId = useMyMongoId()
  const [arriving, setArriving] = useState(arrival !== undefined)
  const [people, setPeople] = useState<readonly Person[]>()
  const [problem, setProblem] = useState<string>()
  const [attempt, setAttempt] = useState(0)
  const [asking, setAsking] = useState<Unsent>()

  useEffect(() => {
    arrival
      ?.then((me) => setMyMongoId(me.mongo_user_id))
      .catch((error: unknown) => setProblem(sentence(error)))
      .finally(() => setArriving(false))
  }, [arrival])

  useEffect(() => {
    if (myMongoId === null || arriving) return
    let stale = false
    fetchPeople().then(
      (everybody) => {
        if (stale) return
        if (everybody.some((person) => person.mongo_user_id === myMongoId)) setPeople(everybody)
        else setMyMongoId(null)
      },
      (error: unknown) => {
        if (stale) return
        if (error instanceof BackendError && error.code === 'signed-out') setMyMongoId(null)
        else setProblem(sentence(error))
      },
    )
    return () => {
      stale = true
      setPeople(undefined)
      setProblem(undefined)
    }
  }, [myMongoId, arriving, attempt])

  const readPeopleAgain = useCallback(() => void fetchPeople().then(setPeople, () => {}), [])

  const leave = useCallback(() => {
    setAsking(undefined)
    setMyMongoId(null)
    signOut().catch((error: unknown) => setProblem(sentence(error)))
  }, [])

  const askToLeave = useCallback(() => {
    whatWouldBeLost().then((unsent) => (unsent === undefined ? leave() : setAsking(unsent)))
  }, [leave])

  // The session has ended already; what is not sent, and what is typed, waits for the same person.
  const signInAgain = useCallback(() => setMyMongoId(null), [])

  if (MISSING_SETTINGS.length > 0) {
    return <Notice title="Almost there">Start the app with {MISSING_SETTINGS.join(', ')} set.</Notice>
  }
  if (problem !== undefined) {
    const retry = () => {
      setProblem(undefined)
      setAttempt(attempt + 1)
    }
    return (
      <Notice title="Something is off" action="Try again" onAction={retry}>
        {problem}
      </Notice>
    )
  }
  if (myMongoId === null && !arriving) return <SignInPage onSignedIn={(me) => setMyMongoId(me.mongo_user_id)} />

  const me = people?.find((person) => person.mongo_user_id === myMongoId)
  if (people === undefined || me === undefined) return <Notice title="Setting the board…" />
  return (
    <>
      <ChoppingBoardPage key={me.mongo_user_id} me={me} people={people} onStranger={readPeopleAgain} onSignOut={askToLeave} onSignInAgain={signInAgain} />
      {asking !== undefined && <SignOutDialog unsent={asking} onStay={() => setAsking(undefined)} onSignOut={leave} />}
    </>
  )
}

function sentence(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
