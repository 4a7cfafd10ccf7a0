import type { ReactNode } from 'react'

interface Props {
  title: string
  children?: ReactNode
  action?: string
  onAction?: () => void
}

/** A page that says one thing: something is under way, or has gone wrong. */
export function Notice({ title, children, action, onAction }: Props) {
  return (
    <main className="notice" role="status">
      <h1>{title}</h1>
      {children !== undefined && <p>{children}</p>}
      {action !== undefined && (
        <button type="button" className="button" onClick={onAction}>
          {action}
        </button>
      )}
    </main>
  )
}
