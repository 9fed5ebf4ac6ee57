// A scenario from a module: what `syncline-sim --scenario FILE` names. Read by the command line and its workers.

import { SynclineError } from '@syncline/protocol'
import { everything, type Scenario } from './scenario.ts'
import { scenario, type SimulateOptions } from './simulate.ts'

/** The default export of the module at this URL: options as simulate() takes them, or a whole Scenario. Null: Syncline's own. Rejects with "argument-invalid". */
export async function loadScenario(url: string | null): Promise<Scenario> {
  if (url === null) return everything
  let module: { readonly default?: unknown }
  try {
    module = (await import(url)) as typeof module
  } catch (error) {
    throw new SynclineError(
      'argument-invalid',
      `The scenario ${url} cannot be loaded: ${error instanceof Error ? error.message : String(error)}`,
      {
        cause: error,
      },
    )
  }
  const found = module.default
  if (typeof found === 'object' && found !== null) {
    if ('workloads' in found) return found as Scenario
    if ('workload' in found) return scenario(found as SimulateOptions)
  }
  throw new SynclineError('argument-invalid', `The scenario ${url} has no default export with a workload, as simulate() takes it.`)
}
