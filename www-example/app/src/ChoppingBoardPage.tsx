import { prefetch } from 'chopped-chat'
import { useCallback, useState } from 'react'
import { Avatar } from './Avatar.tsx'
import type { Person } from './backend.ts'
import { ChatModal } from './ChatModal.tsx'
import { chatOptions } from './chat-options.ts'
import { Wordmark } from './Wordmark.tsx'
import './styles/board.css'

interface Props {
  me: Person
  people: readonly Person[]
  onSignOut: () => void
  onSignInAgain: () => void
}

export function ChoppingBoardPage({ me, people, onSignOut, onSignInAgain }: Props) {
  const [selectedUserId, setSelectedUserId] = useState<string>()
  const others = people.filter((person) => person.mongo_user_id !== me.mongo_user_id)
  const selected = others.find((person) => person.mongo_user_id === selectedUserId)
  const getReady = (person: Person) => void prefetch(chatOptions(me.mongo_user_id, person.mongo_user_id))
  const close = useCallback(() => setSelectedUserId(undefined), [])

  return (
    <div className="page">
      <header className="top">
        <Wordmark />
        <div className="me">
          <Avatar name={me.name} />
          <span data-testid="me" data-mongo-id={me.mongo_user_id}>
            {me.name}
          </span>
          <button type="button" className="quiet" onClick={onSignOut} data-testid="sign-out">
            Sign out
          </button>
        </div>
      </header>

      <main>
        <h1>The chopping board</h1>
        <p className="lead">Everybody in the kitchen tonight. Pick someone to talk to.</p>
        <div className="board">
          <ul>
            {others.map((person) => (
              <li key={person.mongo_user_id}>
                <button
                  type="button"
                  onPointerEnter={() => getReady(person)}
                  onFocus={() => getReady(person)}
                  onClick={() => setSelectedUserId(person.mongo_user_id)}
                  data-testid={`person-${person.mongo_user_id}`}
                >
                  <Avatar name={person.name} />
                  <span className="name">{person.name}</span>
                  <span className="hint" aria-hidden="true">
                    Message
                  </span>
                </button>
              </li>
            ))}
          </ul>
          {others.length === 0 && <p className="nobody">Nobody else yet. Run the backend’s script demo-accounts.</p>}
        </div>
      </main>

      {selected !== undefined && <ChatModal key={selected.mongo_user_id} myMongoId={me.mongo_user_id} other={selected} onClose={close} onSignInAgain={onSignInAgain} />}
    </div>
  )
}
