namespace Microsoft.ML.LoraInit;

/// <summary>What an adapter of an <see cref="AdapterLibrary"/> says of a text.</summary>
public sealed record AdapterPrediction
{
    /// <summary>The adapter's name.</summary>
    public required string Adapter { get; init; }

    /// <summary>The class predicted, one of <see cref="AdapterInfo.Labels"/>: <c>False</c> or <c>True</c> for a binary adapter; empty for a regression.</summary>
    public required string PredictedLabel { get; init; }

    /// <summary>The probability of each of <see cref="AdapterInfo.Labels"/>, in their order; the predicted number alone for a regression.</summary>
    public required IReadOnlyList<float> Score { get; init; }

    /// <summary>The probability of <see cref="PredictedLabel"/>; NaN for a regression.</summary>
    public required float Probability { get; init; }
}

/// <summary>A text and the adapter that is to read it.</summary>
/// <param name="Adapter">The adapter's name.</param>
/// <param name="Text">The text.</param>
/// <param name="Text2">The second text, for an adapter that reads pairs; else null.</param>
public readonly record struct AdapterRequest(string Adapter, string Text, string? Text2 = null);
