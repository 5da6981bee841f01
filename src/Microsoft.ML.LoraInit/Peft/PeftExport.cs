using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Peft;

namespace Microsoft.ML.LoraInit;

/// <summary>What <see cref="LoraTextTransformerExport.SavePeftAdapter"/> wrote, and how near it is to the model.</summary>
public sealed record PeftExport
{
    /// <summary>The folder's full path.</summary>
    public required string Folder { get; init; }

    /// <summary>Whether the adapter over the base (see <see cref="NeedsQuantizedBase"/>) computes what the model computes, up to rounding.</summary>
    public required bool IsExact { get; init; }

    /// <summary>
    /// Whether the model was trained over a base in 4 bits: as every QLoRA adapter, this one belongs to the quantised base, and
    /// over the unquantised one it is off by NF4's error, which <see cref="RelativeError"/> does not count. The merged model
    /// (<see cref="LoraTextTransformerExport.SaveMergedModel"/>) has no such error.
    /// </summary>
    public required bool NeedsQuantizedBase { get; init; }

    /// <summary>‖ΔW − ΔW′‖ / ‖ΔW‖ over all adapted layers (Frobenius), ΔW the trained change of the base, ΔW′ the written one; 0 where exact.</summary>
    public required double RelativeError { get; init; }

    /// <summary>The adapted layers, in the model's order.</summary>
    public required IReadOnlyList<PeftExportLayer> Layers { get; init; }

    internal static PeftExport Of(string folder, PeftFamilyWeights family, bool quantized)
    {
        var kept = family.Form.Describe(family).Kept;
        return new()
        {
            Folder = Path.GetFullPath(folder),
            NeedsQuantizedBase = quantized,
            IsExact = true,
            RelativeError = 0,
            Layers = [.. family.Adapters.Select(a => new PeftExportLayer(a.Target.ModuleName, a.Target.Rank, kept.TryGetValue(a.Target.ModuleName, out var flags) ? flags.Count(k => k) : a.Target.Rank, a.Target.Alpha, 0))],
        };
    }

    internal static PeftExport Of(string folder, IReadOnlyList<PlainAdapter> adapters, bool quantized) => new()
    {
        Folder = Path.GetFullPath(folder),
        NeedsQuantizedBase = quantized,
        IsExact = adapters.All(a => a.IsExact),
        RelativeError = PlainLoraConversion.RelativeError(adapters),
        Layers = [.. adapters.Select(a => new PeftExportLayer(a.Target.ModuleName, a.TrainedRank, a.Target.Rank, a.Target.Alpha, a.Lost == 0 ? 0 : a.Lost / a.Norm))],
    };
}

/// <summary>One layer of a <see cref="PeftExport"/>.</summary>
/// <param name="Module">Its name, such as <c>roberta.encoder.layer.0.attention.self.query</c>.</param>
/// <param name="TrainedRank">The rank that was trained.</param>
/// <param name="Rank">The rank written: twice the trained one where the initialisation had corrected the base, of AdaLoRA what its cuts left.</param>
/// <param name="Alpha">The alpha written.</param>
/// <param name="RelativeError">As <see cref="PeftExport.RelativeError"/>, of this layer.</param>
public sealed record PeftExportLayer(string Module, int TrainedRank, int Rank, double Alpha, double RelativeError);
