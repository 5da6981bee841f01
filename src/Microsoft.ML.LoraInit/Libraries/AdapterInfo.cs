using Microsoft.ML.LoraInit.Libraries;

namespace Microsoft.ML.LoraInit;

/// <summary>What an <see cref="AdapterLibrary"/> knows of an adapter.</summary>
public sealed record AdapterInfo
{
    /// <summary>Its name.</summary>
    public required string Name { get; init; }

    /// <summary>What it was trained for: <c>multiclass</c>, <c>binary</c> or <c>regression</c>.</summary>
    public required string Task { get; init; }

    /// <summary>The classes in the order of <see cref="AdapterPrediction.Score"/>; <c>LABEL_0</c>, … where they have no names; empty for a regression.</summary>
    public required IReadOnlyList<string> Labels { get; init; }

    /// <summary>Whether it reads pairs of texts.</summary>
    public required bool IsPair { get; init; }

    /// <summary>Tokens a row at most, special tokens included.</summary>
    public required int MaxLength { get; init; }

    /// <summary>Each adapted layer with its rank, in the model's order; empty for a model whose head alone was trained.</summary>
    public required IReadOnlyList<(string Module, int Rank)> Modules { get; init; }

    /// <summary>Bytes of native memory that the adapter holds, its head included; the base is shared and not counted.</summary>
    public required long SizeInBytes { get; init; }

    internal static AdapterInfo Of(string name, AdapterSource source, long bytes, IReadOnlyList<string> labels) => new()
    {
        Name = name,
        Task = source.Settings.Scores.Task.Kind,
        Labels = labels,
        IsPair = source.Settings.Texts.Text2 is not null,
        MaxLength = source.Settings.MaxLength,
        Modules = [.. source.State.Adapters.Select(a => (a.Target.ModuleName, a.Target.Rank))],
        SizeInBytes = bytes,
    };
}
