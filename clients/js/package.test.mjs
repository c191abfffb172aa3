// node --test package.test.mjs: what npm would publish.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { it } from 'node:test';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('.', import.meta.url));
const read = (name) => readFileSync(new URL(name, import.meta.url), 'utf8');

it('is imported by its name', async () => {
  const { ReconnectingSocket, ...others } = await import('tower-ws-auth-client');
  assert.deepEqual(Object.keys(others), []);
  assert.equal(new ReconnectingSocket({ url: () => '' }).running, false);
});

it('contains the module, its types, its licence and its README, and depends on nothing', () => {
  const [packed] = JSON.parse(execFileSync('npm', ['pack', '--dry-run', '--json', '--offline'], { cwd: folder }));
  const names = packed.files.map(({ path }) => path).sort();
  assert.deepEqual(names, ['LICENSE', 'README.md', 'package.json', 'reconnect.d.ts', 'reconnect.js']);
  const manifest = JSON.parse(read('package.json'));
  for (const kind of ['dependencies', 'peerDependencies', 'optionalDependencies']) assert.ok(!(kind in manifest), kind);
  assert.doesNotMatch(read('reconnect.js'), /\bimport\b|\brequire\(/);
});

it('has a type for each of its members and options', async () => {
  const { ReconnectingSocket } = await import('tower-ws-auth-client');
  const types = read('reconnect.d.ts');
  const members = Object.getOwnPropertyNames(ReconnectingSocket.prototype).filter((name) => name !== 'constructor');
  for (const name of members) assert.match(types, new RegExp(`^  (readonly )?${name}[(:]`, 'm'), name);
  const [, defaults] = /const DEFAULTS = \{(.*?)\n\};/s.exec(read('reconnect.js'));
  const options = [...defaults.matchAll(/^\s*(\w+):|, (\w+):/gm)].map(([, first, next]) => first ?? next);
  assert.ok(options.includes('spread') && options.includes('clearTimeout'), `${options}`);
  for (const name of options) assert.match(types, new RegExp(`^  ${name}\\?: `, 'm'), name);
  const emitted = [...read('reconnect.js').matchAll(/(?:#emit\(|new \w*Event\()'(\w+)'/g)].map(([, name]) => name);
  for (const name of emitted) assert.match(types, new RegExp(`^  ${name}: \\w*Event`, 'm'), name);
});
