// @syncline/testing: the convergence property tests of Syncline, for its own engine and for the schemas of those who use it.
export { Random } from './random.ts'
