namespace Microsoft.ML.LoraInit.Adapters;

/// <summary>One adapter of a trained model.</summary>
/// <param name="Description">As the model describes it.</param>
/// <param name="Target">Its layer, rank and scale.</param>
/// <param name="Kind">Its kind, with the method's settings.</param>
internal sealed record StoredAdapter(AdapterDescription Description, AdapterTarget Target, AdapterKind Kind);
