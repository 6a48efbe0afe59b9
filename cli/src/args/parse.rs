//! Values on the command line: numbers of records, texts with a limit, parts and scopes.

use tributary_protocol::{
    BaseModelId, ChannelId, ContributionId, DatanetId, GrantId, JobId, ModelId, Ppm, VersionRef,
    datanet::{Name, Text},
    grant::{BaseModelScope, VersionScope},
    model::DataUse,
    recipe::TargetLayers,
};

macro_rules! number {
    ($($name:ident: $type:ident),+ $(,)?) => { $(
        #[doc = concat!("The number of a record: [`", stringify!($type), "`].")]
        pub fn $name(text: &str) -> Result<$type, String> {
            text.parse().map($type).map_err(|error| format!("no number: {error}"))
        }
    )+ };
}

number!(
    datanet: DatanetId,
    contribution: ContributionId,
    grant: GrantId,
    base_model: BaseModelId,
    model: ModelId,
    job: JobId,
    channel: ChannelId,
);

/// A version: `DATANET@NUMBER`.
pub fn version(text: &str) -> Result<VersionRef, String> {
    let (datanet_id, number) = text.split_once('@').ok_or("a version is written DATANET@NUMBER, such as 0@1")?;
    Ok(VersionRef { datanet: datanet(datanet_id)?, number: number.parse().map_err(|error| format!("{error}"))? })
}

/// A version and the grant that opens it: `DATANET@NUMBER:GRANT`.
pub fn data_use(text: &str) -> Result<DataUse, String> {
    let (data, grant_id) = text.split_once(':').ok_or("data is written DATANET@NUMBER:GRANT, such as 0@1:0")?;
    Ok(DataUse { version: version(data)?, grant: grant(grant_id)? })
}

/// A kind of linear layer, with or without `_proj`, or `all-linear`.
pub fn target(text: &str) -> Result<&'static str, String> {
    let names = TargetLayers::default().named().map(|(name, _)| name);
    let long = if text == "kv_a" { "kv_a_proj_with_mqa".to_owned() } else { format!("{text}_proj") };
    let all = [ALL_LINEAR];
    let found = names.iter().chain(&all).find(|name| **name == text || **name == long);
    found.copied().ok_or_else(|| format!("no kind of layer; {ALL_LINEAR} and these are: {}", names.join(", ")))
}

/// Every linear layer.
pub const ALL_LINEAR: &str = "all-linear";

/// Which versions: `all`, `up-to:N` or `only:N`.
pub fn version_scope(text: &str) -> Result<VersionScope, String> {
    let number = |text: &str| text.parse().map_err(|error| format!("no number of a version: {error}"));
    match text.split_once(':') {
        None if text == "all" => Ok(VersionScope::All),
        Some(("up-to", last)) => number(last).map(VersionScope::UpTo),
        Some(("only", one)) => number(one).map(VersionScope::Only),
        _ => Err("write all, up-to:N or only:N".to_owned()),
    }
}

/// Which base models: `any`, or a number.
pub fn base_scope(text: &str) -> Result<BaseModelScope, String> {
    if text == "any" { Ok(BaseModelScope::Any) } else { base_model(text).map(BaseModelScope::Only) }
}

/// A short text: a name, a domain, a licence.
pub fn name(text: &str) -> Result<Name, String> {
    not_blank(text)?;
    Name::try_from(text.as_bytes().to_vec()).map_err(|bytes| too_long(bytes.len(), Name::bound()))
}

/// A longer text: a description, a reason.
pub fn text(text: &str) -> Result<Text, String> {
    not_blank(text)?;
    Text::try_from(text.as_bytes().to_vec()).map_err(|bytes| too_long(bytes.len(), Text::bound()))
}

/// A part in percent, with up to four digits after the point: `12.5`.
pub fn percent(text: &str) -> Result<Ppm, String> {
    let wrong = || format!("no percentage between 0 and 100: {text}");
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    if part.len() > 4 || !part.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    let whole: u32 = whole.parse().map_err(|_| wrong())?;
    let part: u32 = format!("{part:0<4}").parse().map_err(|_| wrong())?;
    whole.checked_mul(10_000).and_then(|parts| parts.checked_add(part)).and_then(Ppm::new).ok_or_else(wrong)
}

/// A part as [`percent`] reads it.
pub fn show_percent(part: Ppm) -> String {
    let digits = format!("{}.{:04}", part.parts() / 10_000, part.parts() % 10_000);
    format!("{}%", digits.trim_end_matches('0').trim_end_matches('.'))
}

fn not_blank(text: &str) -> Result<(), String> {
    if text.trim().is_empty() { Err("it is empty".to_owned()) } else { Ok(()) }
}

fn too_long(bytes: usize, max: usize) -> String {
    format!("{bytes} bytes, more than {max}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_read_as_they_are_shown() {
        let data = data_use("3@2:7").unwrap();
        assert_eq!((data.version.to_string().as_str(), data.grant), ("3@2", GrantId(7)));
        for text in ["3", "3@2", "@:", "3@x:1", "3:2@1"] {
            assert!(data_use(text).is_err(), "{text}");
        }
        assert_eq!(version_scope("up-to:4"), Ok(VersionScope::UpTo(4)));
        assert_eq!(base_scope("any"), Ok(BaseModelScope::Any));
    }

    #[test]
    fn percentages_are_exact() {
        assert_eq!(percent("12.5"), Ok(Ppm::new(125_000).unwrap()));
        assert_eq!(percent("100"), Ok(Ppm::ONE));
        assert_eq!(show_percent(Ppm::new(125_000).unwrap()), "12.5%");
        assert_eq!(show_percent(Ppm::from_percent(10)), "10%");
        for text in ["100.0001", "-1", "", "1.23456", "x"] {
            assert!(percent(text).is_err(), "{text}");
        }
    }

    #[test]
    fn texts_have_a_limit() {
        assert!(name(&"x".repeat(65)).is_err() && name("  ").is_err());
        assert!(text(&"x".repeat(512)).is_ok());
    }
}
