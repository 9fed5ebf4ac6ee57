import process from 'node:process'
import { campaign, runSeed } from './campaign.ts'
const [a, b] = process.argv.slice(2)
if (a === '--seed') {
  const o = runSeed(Number(b), process.argv.includes('--trace') ? { print: (l) => console.log(l) } : {})
  console.log(o.ok ? o.result : `${o.rule} ${o.error.stack}`)
} else {
  const done = campaign(Number(b ?? 1), Number(a))
  for (const f of done.failures) console.log(`seed ${f.seed}: ${f.message.slice(0, 300)}`)
  console.log(done.table())
  console.log(done.summary(), 'rare:', done.rare())
}
