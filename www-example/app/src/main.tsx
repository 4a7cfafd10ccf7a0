import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { App } from './App.tsx'
import { signIn } from './backend.ts'
import { takeAccountFromAddress } from './demo-accounts.ts'
import './styles/base.css'

const account = takeAccountFromAddress()
const arrival = account && signIn(account.email, account.password)

const root = document.getElementById('root')
if (root !== null) {
  createRoot(root).render(
    <StrictMode>
      <App arrival={arrival} />
    </StrictMode>,
  )
}
