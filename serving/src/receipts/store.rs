//! Receipts on disk, numbered without gaps, and the epochs that count them.

use super::epochs::{EpochRecord, ModelShares};
use codec::{Decode, DecodeAll, Encode};
use redb::{
    Database, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition, backends::InMemoryBackend,
};
use std::path::{Path, PathBuf};
use tributary_client::Account;
use tributary_protocol::{
    ContentHash, ModelId,
    receipt::{Receipt, SignedReceipt},
};

/// Whose receipts these are: SCALE of [`Owner`].
const OWNER: TableDefinition<'_, (), &[u8]> = TableDefinition::new("owner");
/// Model and number to SCALE of [`Stored`].
const RECEIPTS: TableDefinition<'_, (u64, u64), &[u8]> = TableDefinition::new("receipts");
/// Model and number to the receipt's leaf, so that a tree is made without decoding receipts.
const LEAVES: TableDefinition<'_, (u64, u64), &[u8; 32]> = TableDefinition::new("leaves");
/// Leaf to model and number.
const PLACES: TableDefinition<'_, &[u8; 32], (u64, u64)> = TableDefinition::new("places");
/// The till's number of a sale to model and number.
const SALES: TableDefinition<'_, u64, (u64, u64)> = TableDefinition::new("sales");
/// Model and number to the evidence of the shares, one file a line.
const EVIDENCE: TableDefinition<'_, (u64, u64), &[u8]> = TableDefinition::new("evidence");
/// Hash of a method to what it is the hash of.
const METHODS: TableDefinition<'_, &[u8; 32], &[u8]> = TableDefinition::new("methods");
/// Model to SCALE of [`ModelShares`].
const SHARES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("shares");
/// Model and epoch to SCALE of [`EpochRecord`].
const EPOCHS: TableDefinition<'_, (u64, u32), &[u8]> = TableDefinition::new("epochs");
/// Model to the epoch that the chain accepted last.
const ACCEPTED: TableDefinition<'_, u64, u32> = TableDefinition::new("accepted");

/// Why the store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file cannot be opened.
    #[error("receipts {} cannot be opened: {source}\nhint: does another process use them?", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the store says.
        source: Box<redb::Error>,
    },
    /// The file belongs to another operator, or to another chain.
    #[error("these receipts are those of {found} on the chain with genesis {genesis}\nhint: name another file")]
    OtherOwner {
        /// Whose they are.
        found: Account,
        /// On which chain.
        genesis: ContentHash,
    },
    /// Reading or writing failed, for want of space for example.
    #[error("the receipts' store failed: {0}\nhint: is the disk full?")]
    Store(#[source] Box<redb::Error>),
    /// What was read is not what was written.
    #[error("{what} in the receipts' store cannot be read: {reason}")]
    Damaged {
        /// What.
        what: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

/// A receipt as it lies on disk: versioned, so that a later program can read an earlier one's.
#[derive(Encode, Decode)]
enum Stored {
    V1(SignedReceipt),
}

/// Whose receipts a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Owner {
    /// Hash of the chain's genesis block.
    pub genesis: [u8; 32],
    /// The operator, who signs.
    pub operator: Account,
}

/// A receipt that has no number yet.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The till's number of the sale.
    pub sale: u64,
    /// The receipt. Its number is the store's to give.
    pub receipt: Receipt,
    /// What the receipt's method is the hash of.
    pub method: Vec<u8>,
    /// What the shares follow from, if it is kept.
    pub evidence: Option<Vec<u8>>,
}

/// The receipts of one operator. Every change is on disk when its function returns.
///
/// # Invariants
/// - The receipts of a model are numbered from 0 without gaps: the number is taken and the receipt kept in one transaction.
/// - A sale has one receipt, however often it is issued.
/// - No receipt is ever changed or removed: each epoch counts all of them.
#[derive(Debug)]
pub struct ReceiptStore {
    database: Database,
    owner: Owner,
}

impl ReceiptStore {
    /// Opens the receipts of `owner`, or begins them. One process at a time can have them open.
    pub fn open(path: &Path, owner: Owner) -> Result<Self, StoreError> {
        let failed = |error: redb::Error| StoreError::Open { path: path.into(), source: Box::new(error) };
        Self::over(Database::create(path).map_err(|error| failed(error.into()))?, owner)
    }

    /// Receipts that end with the process, for tests and trials.
    pub fn in_memory(owner: Owner) -> Result<Self, StoreError> {
        Self::over(Database::builder().create_with_backend(InMemoryBackend::new()).map_err(store)?, owner)
    }

    fn over(database: Database, owner: Owner) -> Result<Self, StoreError> {
        let write = database.begin_write().map_err(store)?;
        {
            let mut owners = write.open_table(OWNER).map_err(store)?;
            let known = owners.get(()).map_err(store)?.map(|bytes| decode::<Owner>("the owner", bytes.value()));
            match known.transpose()? {
                Some(known) if known != owner => {
                    return Err(StoreError::OtherOwner { found: known.operator, genesis: ContentHash(known.genesis) });
                }
                Some(_) => {}
                None => drop(owners.insert((), owner.encode().as_slice()).map_err(store)?),
            }
            // Readers find every table from the beginning.
            write.open_table(RECEIPTS).map_err(store)?;
            write.open_table(LEAVES).map_err(store)?;
            write.open_table(PLACES).map_err(store)?;
            write.open_table(SALES).map_err(store)?;
            write.open_table(EVIDENCE).map_err(store)?;
            write.open_table(METHODS).map_err(store)?;
            write.open_table(SHARES).map_err(store)?;
            write.open_table(EPOCHS).map_err(store)?;
            write.open_table(ACCEPTED).map_err(store)?;
        }
        write.commit().map_err(store)?;
        Ok(Self { database, owner })
    }

    /// Whose they are.
    pub fn owner(&self) -> Owner {
        self.owner
    }

    /// Gives a draft the model's next number, has it signed, and keeps it; or returns the receipt that its sale has already.
    /// Cost: one write to the disk that is waited for.
    pub fn issue(&self, draft: Draft, sign: impl FnOnce(&[u8]) -> [u8; 64]) -> Result<SignedReceipt, StoreError> {
        let Draft { sale, mut receipt, method, evidence } = draft;
        let write = self.database.begin_write().map_err(store)?;
        let signed = {
            let mut receipts = write.open_table(RECEIPTS).map_err(store)?;
            let mut sales = write.open_table(SALES).map_err(store)?;
            let known = sales.get(sale).map_err(store)?.map(|place| place.value());
            if let Some(place) = known {
                let bytes = receipts.get(place).map_err(store)?;
                let absent = || StoreError::Damaged { what: "a sale", reason: format!("{sale} has no receipt") };
                return receipt_of(bytes.ok_or_else(absent)?.value());
            }
            let model = receipt.model.0;
            let last = receipts.range((model, 0)..=(model, u64::MAX)).map_err(store)?.next_back();
            receipt.number = match last.transpose().map_err(store)? {
                // 2^64 answers cannot be given in any real time.
                Some((place, _)) => place.value().1.saturating_add(1),
                None => 0,
            };
            let place = (model, receipt.number);
            let leaf = receipt.leaf(self.owner.genesis);
            let signature = sign(&receipt.payload(self.owner.genesis));
            let method_hash = receipt.method;
            let signed = Stored::V1(SignedReceipt { receipt, signature });
            receipts.insert(place, signed.encode().as_slice()).map_err(store)?;
            sales.insert(sale, place).map_err(store)?;
            write.open_table(LEAVES).map_err(store)?.insert(place, &leaf.0).map_err(store)?;
            write.open_table(PLACES).map_err(store)?.insert(&leaf.0, place).map_err(store)?;
            write.open_table(METHODS).map_err(store)?.insert(&method_hash.0, method.as_slice()).map_err(store)?;
            if let Some(evidence) = evidence {
                write.open_table(EVIDENCE).map_err(store)?.insert(place, evidence.as_slice()).map_err(store)?;
            }
            let Stored::V1(signed) = signed;
            signed
        };
        // The default durability waits for the disk.
        write.commit().map_err(store)?;
        Ok(signed)
    }

    /// The receipt that a sale has.
    pub fn of_sale(&self, sale: u64) -> Result<Option<SignedReceipt>, StoreError> {
        let read = self.database.begin_read().map_err(store)?;
        let place = read.open_table(SALES).map_err(store)?.get(sale).map_err(store)?.map(|place| place.value());
        match place {
            Some((model, number)) => self.receipt(ModelId(model), number),
            None => Ok(None),
        }
    }

    /// The number from which on no sale has a receipt.
    pub fn next_sale(&self) -> Result<u64, StoreError> {
        let read = self.database.begin_read().map_err(store)?;
        let last = read.open_table(SALES).map_err(store)?.last().map_err(store)?.map(|(sale, _)| sale.value());
        Ok(last.map_or(0, |last| last.saturating_add(1)))
    }

    /// A model's receipt with this number.
    pub fn receipt(&self, model: ModelId, number: u64) -> Result<Option<SignedReceipt>, StoreError> {
        let read = self.database.begin_read().map_err(store)?;
        let table = read.open_table(RECEIPTS).map_err(store)?;
        table.get((model.0, number)).map_err(store)?.map(|bytes| receipt_of(bytes.value())).transpose()
    }

    /// Model and number of the receipt with this leaf.
    pub fn find(&self, leaf: ContentHash) -> Result<Option<(ModelId, u64)>, StoreError> {
        let read = self.database.begin_read().map_err(store)?;
        let found = read.open_table(PLACES).map_err(store)?.get(&leaf.0).map_err(store)?.map(|place| place.value());
        Ok(found.map(|(model, number)| (ModelId(model), number)))
    }

    /// How many receipts a model has.
    pub fn count(&self, model: ModelId) -> Result<u64, StoreError> {
        let read = self.database.begin_read().map_err(store)?;
        let table = read.open_table(LEAVES).map_err(store)?;
        let last = table.range((model.0, 0)..=(model.0, u64::MAX)).map_err(store)?.next_back().transpose();
        Ok(last.map_err(store)?.map_or(0, |(place, _)| place.value().1.saturating_add(1)))
    }

    /// A model's receipts from number `from` on: at most `limit`, and not many more bytes of SCALE than `bytes_max`; at least
    /// one, if there is one.
    pub fn page(
        &self,
        model: ModelId,
        from: u64,
        limit: usize,
        bytes_max: usize,
    ) -> Result<Vec<SignedReceipt>, StoreError> {
        let read = self.database.begin_read().map_err(store)?;
        let table = read.open_table(RECEIPTS).map_err(store)?;
        let (mut page, mut bytes_left) = (Vec::new(), bytes_max);
        for row in table.range((model.0, from)..=(model.0, u64::MAX)).map_err(store)?.take(limit) {
            let (_, bytes) = row.map_err(store)?;
            page.push(receipt_of(bytes.value())?);
            match bytes_left.checked_sub(bytes.value().len()) {
                Some(left) => bytes_left = left,
                None => break,
            }
        }
        Ok(page)
    }

    /// Shows a model's first `count` receipts one after the other. Cost: decoding each.
    pub fn each<E: From<StoreError>>(
        &self,
        model: ModelId,
        count: u64,
        mut show: impl FnMut(&Receipt) -> Result<(), E>,
    ) -> Result<(), E> {
        let read = self.database.begin_read().map_err(store)?;
        let table = read.open_table(RECEIPTS).map_err(store)?;
        for row in table.range((model.0, 0)..(model.0, count)).map_err(store)? {
            let (_, bytes) = row.map_err(store)?;
            show(&receipt_of(bytes.value())?.receipt)?;
        }
        Ok(())
    }

    /// The leaves of a model's first `count` receipts.
    pub fn leaves(&self, model: ModelId, count: u64) -> Result<Vec<ContentHash>, StoreError> {
        let read = self.database.begin_read().map_err(store)?;
        let table = read.open_table(LEAVES).map_err(store)?;
        let rows = table.range((model.0, 0)..(model.0, count)).map_err(store)?;
        rows.map(|row| Ok(ContentHash(*row.map_err(store)?.1.value()))).collect()
    }

    /// The evidence of a receipt's shares, if it was kept: one file for each of the answers, a line each.
    pub fn evidence(&self, model: ModelId, number: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let read = self.database.begin_read().map_err(store)?;
        let table = read.open_table(EVIDENCE).map_err(store)?;
        Ok(table.get((model.0, number)).map_err(store)?.map(|bytes| bytes.value().to_vec()))
    }

    /// What this is the hash of, if a receipt's shares were made so.
    pub fn method(&self, method: ContentHash) -> Result<Option<Vec<u8>>, StoreError> {
        let read = self.database.begin_read().map_err(store)?;
        let table = read.open_table(METHODS).map_err(store)?;
        Ok(table.get(&method.0).map_err(store)?.map(|bytes| bytes.value().to_vec()))
    }

    /// Keeps the shares of a model's training: its epochs need them when it is not served any more, too.
    pub fn put_shares(&self, model: ModelId, shares: &ModelShares) -> Result<(), StoreError> {
        let write = self.database.begin_write().map_err(store)?;
        write.open_table(SHARES).map_err(store)?.insert(model.0, shares.encode().as_slice()).map_err(store)?;
        write.commit().map_err(store)
    }

    /// The shares of a model's training, if they were kept.
    pub fn shares(&self, model: ModelId) -> Result<Option<ModelShares>, StoreError> {
        let read = self.database.begin_read().map_err(store)?;
        let table = read.open_table(SHARES).map_err(store)?;
        table.get(model.0).map_err(store)?.map(|bytes| decode("a model's shares", bytes.value())).transpose()
    }

    /// The models that have receipts, ascending.
    pub fn models(&self) -> Result<Vec<ModelId>, StoreError> {
        let read = self.database.begin_read().map_err(store)?;
        let table = read.open_table(LEAVES).map_err(store)?;
        let (mut models, mut from) = (Vec::new(), Some(0));
        // One look for each model: the next one's first receipt.
        while let Some(model) = from {
            let next = table.range((model, 0)..).map_err(store)?.next().transpose().map_err(store)?;
            let Some((place, _)) = next else { break };
            let (model, _) = place.value();
            models.push(ModelId(model));
            from = model.checked_add(1);
        }
        Ok(models)
    }

    /// Keeps an epoch, before it is sent.
    pub fn put_epoch(&self, model: ModelId, epoch: &EpochRecord) -> Result<(), StoreError> {
        let write = self.database.begin_write().map_err(store)?;
        let bytes = epoch.encode();
        write.open_table(EPOCHS).map_err(store)?.insert((model.0, epoch.number), bytes.as_slice()).map_err(store)?;
        write.commit().map_err(store)
    }

    /// Forgets an epoch that the chain did not take.
    pub fn remove_epoch(&self, model: ModelId, number: u32) -> Result<(), StoreError> {
        let write = self.database.begin_write().map_err(store)?;
        write.open_table(EPOCHS).map_err(store)?.remove((model.0, number)).map_err(store)?;
        write.commit().map_err(store)
    }

    /// An epoch.
    pub fn epoch(&self, model: ModelId, number: u32) -> Result<Option<EpochRecord>, StoreError> {
        let read = self.database.begin_read().map_err(store)?;
        let table = read.open_table(EPOCHS).map_err(store)?;
        table.get((model.0, number)).map_err(store)?.map(|bytes| decode("an epoch", bytes.value())).transpose()
    }

    /// The numbers of a model's epochs that are kept, ascending.
    pub fn epochs(&self, model: ModelId) -> Result<Vec<u32>, StoreError> {
        let read = self.database.begin_read().map_err(store)?;
        let table = read.open_table(EPOCHS).map_err(store)?;
        let rows = table.range((model.0, 0)..=(model.0, u32::MAX)).map_err(store)?;
        rows.map(|row| Ok(row.map_err(store)?.0.value().1)).collect()
    }

    /// Notes that the chain accepted an epoch, and forgets those before it: its amounts hold theirs.
    pub fn accept_epoch(&self, model: ModelId, number: u32) -> Result<(), StoreError> {
        if self.accepted(model)? == Some(number) {
            return Ok(());
        }
        let write = self.database.begin_write().map_err(store)?;
        write.open_table(ACCEPTED).map_err(store)?.insert(model.0, number).map_err(store)?;
        write
            .open_table(EPOCHS)
            .map_err(store)?
            .retain_in((model.0, 0)..(model.0, number), |_, _| false)
            .map_err(store)?;
        write.commit().map_err(store)
    }

    /// The epoch that the chain accepted last, as far as it was noted.
    pub fn accepted(&self, model: ModelId) -> Result<Option<u32>, StoreError> {
        let read = self.database.begin_read().map_err(store)?;
        let table = read.open_table(ACCEPTED).map_err(store)?;
        Ok(table.get(model.0).map_err(store)?.map(|number| number.value()))
    }

    /// How many receipts of all models there are.
    pub fn total(&self) -> Result<u64, StoreError> {
        let read = self.database.begin_read().map_err(store)?;
        read.open_table(LEAVES).map_err(store)?.len().map_err(store)
    }
}

fn store(error: impl Into<redb::Error>) -> StoreError {
    StoreError::Store(Box::new(error.into()))
}

fn receipt_of(bytes: &[u8]) -> Result<SignedReceipt, StoreError> {
    let Stored::V1(signed) = decode("a receipt", bytes)?;
    Ok(signed)
}

fn decode<T: DecodeAll>(what: &'static str, mut bytes: &[u8]) -> Result<T, StoreError> {
    T::decode_all(&mut bytes).map_err(|error| StoreError::Damaged { what, reason: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tributary_protocol::stream::SHARE_UNITS;

    const OWNER: Owner = Owner { genesis: [7; 32], operator: Account([9; 32]) };

    fn draft(sale: u64, model: u64) -> Draft {
        let method = sale.to_le_bytes().to_vec();
        let receipt = Receipt {
            operator: OWNER.operator.0,
            model: ModelId(model),
            number: 0,
            adapter: ContentHash::of(b"adapter"),
            request: ContentHash::of(b"request"),
            response: ContentHash::of(&sale.to_le_bytes()),
            input_tokens: 1,
            output_tokens: 2,
            price: 3,
            method: ContentHash::of(&method),
            base: SHARE_UNITS,
            shares: Default::default(),
        };
        Draft { sale, receipt, method, evidence: sale.is_multiple_of(2).then(|| b"evidence".to_vec()) }
    }

    fn sign(payload: &[u8]) -> [u8; 64] {
        let mut signature = [0; 64];
        signature[..52].copy_from_slice(payload);
        signature
    }

    #[test]
    fn numbers_have_no_gaps_and_a_sale_has_one_receipt() {
        let store = ReceiptStore::in_memory(OWNER).unwrap();
        for sale in 0..6 {
            let signed = store.issue(draft(sale, sale % 2), sign).unwrap();
            assert_eq!(signed.receipt.number, sale / 2);
            assert_eq!(signed.signature[..52], signed.receipt.payload(OWNER.genesis));
        }
        let again = store.issue(draft(2, 0), |_| panic!("nothing new is signed")).unwrap();
        assert_eq!(Some(again.clone()), store.of_sale(2).unwrap());
        assert_eq!((store.count(ModelId(0)).unwrap(), store.count(ModelId(1)).unwrap()), (3, 3));
        assert_eq!((store.count(ModelId(2)).unwrap(), store.total().unwrap()), (0, 6));
        assert_eq!(store.models().unwrap(), [ModelId(0), ModelId(1)]);
        let leaf = again.receipt.leaf(OWNER.genesis);
        assert_eq!(store.find(leaf).unwrap(), Some((ModelId(0), 1)));
        assert_eq!(store.leaves(ModelId(0), 2).unwrap()[1], leaf);
        assert_eq!(store.method(again.receipt.method).unwrap(), Some(2u64.to_le_bytes().to_vec()));
        assert_eq!(store.evidence(ModelId(0), 1).unwrap().as_deref(), Some(b"evidence".as_slice()));
        assert_eq!(store.evidence(ModelId(1), 1).unwrap(), None);
        assert_eq!(store.receipt(ModelId(1), 3).unwrap(), None);
    }

    #[test]
    fn pages_are_bounded_by_number_and_by_size() {
        let store = ReceiptStore::in_memory(OWNER).unwrap();
        for sale in 0..10 {
            store.issue(draft(sale, 4), sign).unwrap();
        }
        let numbers = |from, limit, bytes| -> Vec<u64> {
            let page = store.page(ModelId(4), from, limit, bytes).unwrap();
            page.iter().map(|signed| signed.receipt.number).collect()
        };
        assert_eq!(numbers(2, 3, usize::MAX), [2, 3, 4]);
        assert_eq!(numbers(8, 9, usize::MAX), [8, 9]);
        assert_eq!(numbers(0, 9, 0), [0]);
        assert_eq!(numbers(10, 9, usize::MAX), [] as [u64; 0]);
        let mut seen = 0;
        let count = |_: &Receipt| -> Result<(), StoreError> {
            seen += 1;
            Ok(())
        };
        store.each(ModelId(4), 7, count).unwrap();
        assert_eq!(seen, 7);
    }

    #[test]
    fn what_is_on_disk_stays_and_is_its_owners() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("receipts");
        let first = ReceiptStore::open(&path, OWNER).unwrap().issue(draft(1, 0), sign).unwrap();
        let store = ReceiptStore::open(&path, OWNER).unwrap();
        assert_eq!(store.receipt(ModelId(0), 0).unwrap(), Some(first));
        assert_eq!(store.issue(draft(2, 0), sign).unwrap().receipt.number, 1);
        // A transaction that was not finished leaves nothing behind: no number is lost.
        let write = store.database.begin_write().unwrap();
        write.open_table(LEAVES).unwrap().insert((0, 2), &[0; 32]).unwrap();
        drop(write);
        assert_eq!(store.issue(draft(3, 0), sign).unwrap().receipt.number, 2);
        drop(store);
        let other = Owner { operator: Account([8; 32]), ..OWNER };
        assert!(matches!(ReceiptStore::open(&path, other), Err(StoreError::OtherOwner { .. })));
    }
}
