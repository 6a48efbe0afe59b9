//! The methods of [`crate::api`], each one call of a runtime API.

use crate::{
    api::{AttributionRpcServer, ChannelsRpcServer, DatanetRpcServer, GrantRpcServer, JobRpcServer, ModelRpcServer},
    error::Error,
    reader::{Reader, found, page_by_id, page_by_place, page_size},
    views::{
        AmountText, BaseModelView, ChannelView, ContributionView, DatanetView, DeploymentView, DomainView, DueView,
        EntryView, GrantView, HashText, JobView, LedgerView, ModelView, OfferView, Page, ReadRequestView, RefusalView,
        StreamView, TrainerView, UseView, VersionView, VoucherView,
    },
    watch,
};
use jsonrpsee::PendingSubscriptionSink;
use sc_client_api::{BlockBackend, BlockchainEvents};
use sp_api::ProvideRuntimeApi;
use sp_blockchain::HeaderBackend;
use sp_runtime::{
    AccountId32,
    traits::{Block as BlockT, Zero},
};
use tributary_protocol::{
    BaseModelId, ChannelId, ContentHash, ContributionId, DatanetId, GrantId, JobId, ModelId, VersionRef, job::Stage,
};
use tributary_runtime_api::{AttributionApi, ChannelsApi, DatanetsApi, GrantsApi, JobsApi, ModelsApi, PAGE_MAX};

/// How many jobs or channels a page looks at, by the runtime API's promise: where fewer were found, more may follow after
/// these.
const LOOKED_AT: u64 = 10 * PAGE_MAX as u64;

impl<C, B> DatanetRpcServer<B::Hash> for Reader<C, B>
where
    B: BlockT,
    C: ProvideRuntimeApi<B> + HeaderBackend<B> + Send + Sync + 'static,
    C::Api: DatanetsApi<B, AccountId32>,
{
    fn datanet(&self, id: DatanetId, at: Option<B::Hash>) -> Result<DatanetView, Error> {
        let datanet = self.client.runtime_api().datanet(self.at(at)?, id)?;
        found(datanet, "Datanet", id).map(|datanet| DatanetView::new(id, datanet))
    }

    fn datanets(&self, from: Option<u32>, limit: Option<u32>, at: Option<B::Hash>) -> Result<Page<DatanetView>, Error> {
        let (at, limit) = (self.at(at)?, page_size(limit)?);
        let datanets = self.client.runtime_api().datanets(at, DatanetId(from.unwrap_or(0)), limit)?;
        Ok(page_by_id(datanets, limit, |id| id.0.into(), DatanetView::new))
    }

    fn contribution(&self, id: ContributionId, at: Option<B::Hash>) -> Result<ContributionView, Error> {
        let contribution = self.client.runtime_api().contribution(self.at(at)?, id)?;
        found(contribution, "contribution", id).map(|contribution| ContributionView::new(id, contribution))
    }

    fn contributions(
        &self,
        datanet: DatanetId,
        from: Option<u32>,
        limit: Option<u32>,
        at: Option<B::Hash>,
    ) -> Result<Page<ContributionView>, Error> {
        let (at, from, limit) = (self.at(at)?, from.unwrap_or(0), page_size(limit)?);
        let contributions = self.client.runtime_api().contributions(at, datanet, from, limit)?;
        Ok(page_by_place(contributions, from, limit, |(id, contribution)| ContributionView::new(id, contribution)))
    }

    fn version(&self, datanet: DatanetId, number: u32, at: Option<B::Hash>) -> Result<VersionView, Error> {
        let reference = VersionRef { datanet, number };
        let version = self.client.runtime_api().version(self.at(at)?, reference)?;
        found(version, "version", reference).map(|version| VersionView::new(reference, version))
    }

    fn entries(&self, datanet: DatanetId, number: u32, at: Option<B::Hash>) -> Result<Vec<EntryView>, Error> {
        let reference = VersionRef { datanet, number };
        let entries = self.client.runtime_api().entries(self.at(at)?, reference)?;
        // A version is never empty, so no entries means no such version.
        if entries.is_empty() {
            return found(None, "version", reference);
        }
        Ok(entries.into_iter().map(|(entry, contributor)| EntryView::new(entry, contributor)).collect())
    }
}

impl<C, B> GrantRpcServer<B::Hash> for Reader<C, B>
where
    B: BlockT,
    C: ProvideRuntimeApi<B> + HeaderBackend<B> + Send + Sync + 'static,
    C::Api: GrantsApi<B, AccountId32>,
{
    fn grant(&self, id: GrantId, at: Option<B::Hash>) -> Result<GrantView, Error> {
        let grant = self.client.runtime_api().grant(self.at(at)?, id)?;
        found(grant, "grant", id).map(|grant| GrantView::new(id, grant))
    }

    fn grants(&self, from: Option<u64>, limit: Option<u32>, at: Option<B::Hash>) -> Result<Page<GrantView>, Error> {
        let (at, limit) = (self.at(at)?, page_size(limit)?);
        let grants = self.client.runtime_api().grants(at, GrantId(from.unwrap_or(0)), limit)?;
        Ok(page_by_id(grants, limit, |id| id.0, GrantView::new))
    }

    fn grants_of(
        &self,
        grantee: AccountId32,
        from: Option<u32>,
        limit: Option<u32>,
        at: Option<B::Hash>,
    ) -> Result<Page<GrantView>, Error> {
        let (at, from, limit) = (self.at(at)?, from.unwrap_or(0), page_size(limit)?);
        let grants = self.client.runtime_api().grants_of(at, grantee, from, limit)?;
        Ok(page_by_place(grants, from, limit, |(id, grant)| GrantView::new(id, grant)))
    }

    fn grants_on(
        &self,
        datanet: DatanetId,
        from: Option<u32>,
        limit: Option<u32>,
        at: Option<B::Hash>,
    ) -> Result<Page<GrantView>, Error> {
        let (at, from, limit) = (self.at(at)?, from.unwrap_or(0), page_size(limit)?);
        let grants = self.client.runtime_api().grants_on(at, datanet, from, limit)?;
        Ok(page_by_place(grants, from, limit, |(id, grant)| GrantView::new(id, grant)))
    }

    fn allows(&self, id: GrantId, wanted: UseView, at: Option<B::Hash>) -> Result<RefusalView, Error> {
        let answer = self.client.runtime_api().allows(self.at(at)?, id, wanted.into())?;
        found(answer, "grant", id).map(RefusalView::from)
    }
}

impl<C, B> JobRpcServer<B::Hash> for Reader<C, B>
where
    B: BlockT,
    C: ProvideRuntimeApi<B> + HeaderBackend<B> + BlockBackend<B> + BlockchainEvents<B> + Send + Sync + 'static,
    C::Api: JobsApi<B, AccountId32>,
{
    fn job(&self, id: JobId, at: Option<B::Hash>) -> Result<JobView, Error> {
        let job = self.client.runtime_api().job(self.at(at)?, id)?;
        found(job, "job", id).map(|job| JobView::new(id, job))
    }

    fn jobs(
        &self,
        from: Option<u64>,
        limit: Option<u32>,
        stage: Option<Stage>,
        at: Option<B::Hash>,
    ) -> Result<Page<JobView>, Error> {
        let (at, from, limit) = (self.at(at)?, from.unwrap_or(0), page_size(limit)?);
        let api = self.client.runtime_api();
        let jobs = api.jobs(at, JobId(from), limit, stage)?;
        let mut page = page_by_id(jobs, limit, |id| id.0, JobView::new);
        if page.next.is_none() {
            let end = api.next_job(at)?.0;
            page.next = from.checked_add(LOOKED_AT).filter(|next| *next < end);
        }
        Ok(page)
    }

    fn trainer(&self, account: AccountId32, at: Option<B::Hash>) -> Result<TrainerView, Error> {
        let record = self.client.runtime_api().trainer(self.at(at)?, account.clone())?;
        found(record, "trainer", &account).map(|record| TrainerView::new(account, record))
    }

    fn bond_required(&self, price: AmountText, at: Option<B::Hash>) -> Result<AmountText, Error> {
        Ok(AmountText(self.client.runtime_api().bond_required(self.at(at)?, price.0)?))
    }

    fn may_read(&self, request: ReadRequestView, at: Option<B::Hash>) -> Result<bool, Error> {
        Ok(self.client.runtime_api().may_read(self.at(at)?, request.into())?)
    }

    fn subscribe_jobs(&self, pending: PendingSubscriptionSink) {
        watch::spawn(self.client.clone(), &self.executor, pending);
    }
}

impl<C, B> ModelRpcServer<B::Hash> for Reader<C, B>
where
    B: BlockT,
    C: ProvideRuntimeApi<B> + HeaderBackend<B> + Send + Sync + 'static,
    C::Api: ModelsApi<B, AccountId32>,
{
    fn model(&self, id: ModelId, at: Option<B::Hash>) -> Result<ModelView, Error> {
        let model = self.client.runtime_api().model(self.at(at)?, id)?;
        found(model, "model", id).map(|model| ModelView::new(id, model))
    }

    fn models(&self, from: Option<u64>, limit: Option<u32>, at: Option<B::Hash>) -> Result<Page<ModelView>, Error> {
        let (at, limit) = (self.at(at)?, page_size(limit)?);
        let models = self.client.runtime_api().models(at, ModelId(from.unwrap_or(0)), limit)?;
        Ok(page_by_id(models, limit, |id| id.0, ModelView::new))
    }

    fn base_model(&self, id: BaseModelId, at: Option<B::Hash>) -> Result<BaseModelView, Error> {
        let base = self.client.runtime_api().base_model(self.at(at)?, id)?;
        found(base, "base model", id).map(|base| BaseModelView::new(id, base))
    }

    fn base_models(
        &self,
        from: Option<u32>,
        limit: Option<u32>,
        at: Option<B::Hash>,
    ) -> Result<Page<BaseModelView>, Error> {
        let (at, limit) = (self.at(at)?, page_size(limit)?);
        let bases = self.client.runtime_api().base_models(at, BaseModelId(from.unwrap_or(0)), limit)?;
        Ok(page_by_id(bases, limit, |id| id.0.into(), BaseModelView::new))
    }

    fn affected_by(
        &self,
        datanet: DatanetId,
        number: u32,
        from: Option<u32>,
        limit: Option<u32>,
        at: Option<B::Hash>,
    ) -> Result<Page<ModelId>, Error> {
        let (at, from, limit) = (self.at(at)?, from.unwrap_or(0), page_size(limit)?);
        let models = self.client.runtime_api().affected_by(at, VersionRef { datanet, number }, from, limit)?;
        Ok(page_by_place(models, from, limit, |id| id))
    }

    fn is_affected(&self, id: ModelId, at: Option<B::Hash>) -> Result<bool, Error> {
        found(self.client.runtime_api().is_affected(self.at(at)?, id)?, "model", id)
    }

    fn deployments(&self, id: ModelId, limit: Option<u32>, at: Option<B::Hash>) -> Result<Vec<DeploymentView>, Error> {
        let deployments = self.client.runtime_api().deployments(self.at(at)?, id, page_size(limit)?)?;
        Ok(deployments.into_iter().map(|(operator, deployment)| DeploymentView::new(operator, deployment)).collect())
    }
}

impl<C, B> AttributionRpcServer<B::Hash> for Reader<C, B>
where
    B: BlockT,
    B::Hash: Into<[u8; 32]>,
    C: ProvideRuntimeApi<B> + HeaderBackend<B> + Send + Sync + 'static,
    C::Api: AttributionApi<B, AccountId32>,
{
    fn stream(&self, model: ModelId, at: Option<B::Hash>) -> Result<StreamView, Error> {
        let stream = self.client.runtime_api().stream(self.at(at)?, model)?;
        found(stream, "stream of model", model).map(|stream| StreamView::new(model, stream))
    }

    fn ledger(&self, model: ModelId, operator: AccountId32, at: Option<B::Hash>) -> Result<LedgerView, Error> {
        let ledger = self.client.runtime_api().ledger(self.at(at)?, model, operator.clone())?;
        let ledger = found(ledger, "ledger", format_args!("of {operator} with model {model}"))?;
        Ok(LedgerView::new(model, operator, ledger))
    }

    fn answers_paid(
        &self,
        model: ModelId,
        operator: AccountId32,
        index: u32,
        at: Option<B::Hash>,
    ) -> Result<AmountText, Error> {
        let paid = self.client.runtime_api().answers_paid(self.at(at)?, model, operator.clone(), index)?;
        found(paid, "ledger", format_args!("of {operator} with model {model}")).map(AmountText)
    }

    fn claimable(&self, model: ModelId, index: u32, units: u64, at: Option<B::Hash>) -> Result<AmountText, Error> {
        let amount = self.client.runtime_api().claimable(self.at(at)?, model, index, units)?;
        found(amount, "leaf", format_args!("{index} of model {model}'s stream")).map(AmountText)
    }

    fn pool_account(&self, at: Option<B::Hash>) -> Result<AccountId32, Error> {
        Ok(self.client.runtime_api().pool_account(self.at(at)?)?)
    }

    fn proof_domain(&self, job: JobId) -> Result<DomainView, Error> {
        let genesis = self.client.hash(Zero::zero()).ok().flatten();
        let genesis = found(genesis, "block", 0)?;
        Ok(DomainView { genesis: HashText(ContentHash(genesis.into())), job })
    }
}

impl<C, B> ChannelsRpcServer<B::Hash> for Reader<C, B>
where
    B: BlockT,
    C: ProvideRuntimeApi<B> + HeaderBackend<B> + Send + Sync + 'static,
    C::Api: ChannelsApi<B, AccountId32>,
{
    fn channel(&self, id: ChannelId, at: Option<B::Hash>) -> Result<ChannelView, Error> {
        let channel = self.client.runtime_api().channel(self.at(at)?, id)?;
        found(channel, "channel", id).map(|channel| ChannelView::new(id, channel))
    }

    fn channels(&self, from: Option<u64>, limit: Option<u32>, at: Option<B::Hash>) -> Result<Page<ChannelView>, Error> {
        let (at, from, limit) = (self.at(at)?, from.unwrap_or(0), page_size(limit)?);
        let api = self.client.runtime_api();
        let channels = api.channels(at, ChannelId(from), limit)?;
        let mut page = page_by_id(channels, limit, |id| id.0, ChannelView::new);
        if page.next.is_none() {
            let end = api.next_channel(at)?.0;
            page.next = from.checked_add(LOOKED_AT).filter(|next| *next < end);
        }
        Ok(page)
    }

    fn offer(&self, model: ModelId, operator: AccountId32, at: Option<B::Hash>) -> Result<OfferView, Error> {
        let offer = self.client.runtime_api().offer(self.at(at)?, model, operator.clone())?;
        let offer = found(offer, "offer", format_args!("of {operator} for model {model}"))?;
        Ok(OfferView::new(model, operator, offer))
    }

    fn offers(&self, model: ModelId, limit: Option<u32>, at: Option<B::Hash>) -> Result<Vec<OfferView>, Error> {
        let offers = self.client.runtime_api().offers(self.at(at)?, model, page_size(limit)?)?;
        Ok(offers.into_iter().map(|(operator, offer)| OfferView::new(model, operator, offer)).collect())
    }

    fn may_serve(&self, model: ModelId, operator: AccountId32, at: Option<B::Hash>) -> Result<bool, Error> {
        Ok(self.client.runtime_api().may_serve(self.at(at)?, model, operator)?)
    }

    fn due(&self, voucher: VoucherView, at: Option<B::Hash>) -> Result<DueView, Error> {
        let due = self.client.runtime_api().due(self.at(at)?, voucher.into())?;
        found(due, "channel", voucher.channel).map(DueView::from)
    }
}
