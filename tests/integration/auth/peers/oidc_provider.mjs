// SPDX-License-Identifier: Apache-2.0
// oidc-provider, certified by the OpenID Foundation, with the clients of PEER_CLIENTS, on PEER_PORT.
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

const found = createRequire(process.env.PEER_MODULES + '/').resolve('oidc-provider')
const { default: Provider } = await import(pathToFileURL(found).href)

const port = Number(process.env.PEER_PORT)
const clients = JSON.parse(process.env.PEER_CLIENTS).map(({ id, secret, user }) => ({
  client_id: id,
  ...(secret ? { client_secret: secret } : {}),
  token_endpoint_auth_method: secret ? 'client_secret_post' : 'none',
  application_type: 'native',
  grant_types: user ? ['authorization_code', 'refresh_token'] : ['client_credentials'],
  redirect_uris: user ? ['http://127.0.0.1/callback'] : [],
  response_types: user ? ['code'] : [],
  scope: process.env.PEER_SCOPES,
}))

const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients,
  scopes: process.env.PEER_SCOPES.split(' '),
  features: {
    clientCredentials: { enabled: true },
    introspection: { enabled: true, allowedPolicy: () => true },
    revocation: { enabled: true, allowedPolicy: () => true },
    devInteractions: { enabled: true },
  },
  routes: {
    authorization: '/oauth/authorize',
    token: '/oauth/token',
    introspection: '/oauth/introspect',
    revocation: '/oauth/revoke',
  },
  findAccount: (ctx, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  issueRefreshToken: () => true,
  rotateRefreshToken: () => true,
  cookies: { keys: ['only for this test'] },
})
provider.listen(port, '127.0.0.1')
