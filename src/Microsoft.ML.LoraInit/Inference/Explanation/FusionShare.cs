namespace Microsoft.ML.LoraInit;

/// <summary>How much a layer of a fused model takes of one source, over the tokens of a text. The shares of a layer add up to 1.</summary>
/// <param name="Layer">The encoder layer, from 0; layers without bottlenecks are left out.</param>
/// <param name="Source">The source's name.</param>
/// <param name="Share">The attention's mean weight on it, from 0 to 1; in the last layer that of the first token, which alone goes on.</param>
public sealed record FusionShare(int Layer, string Source, double Share);
