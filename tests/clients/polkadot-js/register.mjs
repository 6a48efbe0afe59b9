// Registers a Datanet with @polkadot/api, from the chain's metadata alone, and reads it back through storage,
// the runtime API's JSON-RPC and the finalised event. Usage: node register.mjs ws://127.0.0.1:9944
// Prints one JSON object; exits with 1 and the reason otherwise.

import { ApiPromise, WsProvider, Keyring } from '@polkadot/api';

const url = process.argv[2];
if (!url) {
  console.error('usage: node register.mjs ws://HOST:PORT');
  process.exit(2);
}

const name = 'Harbour lore';
const terms = {
  price: 1_000_000_000_000n,
  purposes: { research: true, evaluation: true, commercial: false },
  royaltyFloor: 400_000,
  admission: 'Anyone',
  access: 'OnRequest',
  grantBlocksMax: 10_000,
  grantUsesMax: 5,
  licence: 'CC-BY-4.0',
};

function fail(reason) {
  console.error(`error: ${reason}`);
  process.exit(1);
}

const api = await ApiPromise.create({ provider: new WsProvider(url), noInitWarn: true });
const alice = new Keyring({ type: 'sr25519', ss58Format: api.registry.chainSS58 }).addFromUri('//Alice');

// Signs with the wallet's own reading of the metadata: a wrong extension order or type would make the signature invalid.
// Resolves with the finalised result, or with the name of the pallet's error.
const submit = (call) =>
  new Promise((resolve, reject) => {
    call
      .signAndSend(alice, { nonce: -1 }, (result) => {
        if (result.dispatchError) {
          const error = result.dispatchError;
          resolve({ refusal: error.isModule ? api.registry.findMetaError(error.asModule).name : error.toString() });
        } else if (result.status.isFinalized) {
          resolve(result);
        } else if (result.isError) {
          reject(`the transaction was ${result.status.type}`);
        }
      })
      .catch(reject);
  }).catch(fail);

const receipt = await submit(api.tx.datanets.register(name, 'history', 'What the harbour keeper knows', 'PromptCompletion', terms));
if (receipt.refusal) fail(`refused: ${receipt.refusal}`);

const registered = receipt.events.find(({ event }) => api.events.datanets.DatanetRegistered.is(event));
if (!registered) fail('no DatanetRegistered event');
const id = registered.event.data[0].toNumber();

const stored = (await api.query.datanets.datanets(id)).unwrap();
if (stored.name.toUtf8() !== name) fail(`stored under another name: ${stored.name.toUtf8()}`);
if (stored.owner.toString() !== alice.address) fail(`stored under another owner: ${stored.owner}`);
if (stored.terms.royaltyFloor.toNumber() !== terms.royaltyFloor) fail('stored with another royalty floor');

// What the pallet refuses arrives by name.
const { refusal } = await submit(api.tx.datanets.retire(id + 1_000));

const rpc = await api._rpcCore.provider.send('datanet_get', [id]);
if (rpc?.name !== name) fail(`datanet_get answered ${JSON.stringify(rpc)}`);

console.log(
  JSON.stringify({
    client: `@polkadot/api ${api.libraryInfo}`,
    extensions: api.registry.signedExtensions,
    datanet: id,
    owner: stored.owner.toString(),
    rpc,
    refusal,
  }),
);
await api.disconnect();
