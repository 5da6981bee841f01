using System.Numerics;
using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Libraries.Shelves;

/// <summary>
/// How the corrections of some adapters lie in memory: which layers they change, with which ranks. Ranks are rounded up to a power of 2
/// from 8 on, and filled up with zeros, which add nothing: adapters of many ranks have few forms.
/// </summary>
internal sealed class AdapterForm
{
    private const int LeastRank = 8;

    private readonly int[] _parts; // of a block, by its index; −1 where nothing is changed
    private readonly FormLayer[] _layers;

    private AdapterForm(IReadOnlyList<(int Layer, EncoderModule Module, LayerCorrection Correction)> corrections)
    {
        _parts = [.. Enumerable.Repeat(-1, 1 + corrections.Max(c => c.Layer))];
        _layers = [.. corrections.GroupBy(c => c.Layer).Select(g => new FormLayer([.. g.Select(c => (c.Module, c.Correction))]))];
        foreach (var (layer, part) in corrections.Select(c => c.Layer).Distinct().Select((l, i) => (l, i)))
            _parts[layer] = part;
        Widths = [.. _layers.Select(l => l.Width)];
    }

    /// <summary>Numbers of each part: one for a block that is changed.</summary>
    public long[] Widths { get; }

    /// <param name="corrections">In the model's order, at least one.</param>
    public static AdapterForm Of(IReadOnlyList<(int Layer, EncoderModule Module, LayerCorrection Correction)> corrections) => new(corrections);

    /// <summary>Equal for adapters of one form.</summary>
    public static string Key(IReadOnlyList<(int Layer, EncoderModule Module, LayerCorrection Correction)> corrections) =>
        string.Join(' ', corrections.Select(c => $"{c.Layer}.{(int)c.Module}.{Rank(c.Correction)}{(c.Correction.Gain is null ? "" : "g")}"));

    /// <summary>The rank that an adapter's factors are filled up to.</summary>
    public static int Rank(LayerCorrection correction) => Math.Max(LeastRank, (int)BitOperations.RoundUpToPowerOf2((uint)correction.A.shape[0]));

    /// <summary>The part of a block, or −1 where the block is not changed.</summary>
    public int Part(int layer) => layer < _parts.Length ? _parts[layer] : -1;

    /// <summary>How a part is made up.</summary>
    public FormLayer Layer(int part) => _layers[part];

    /// <summary>The numbers of an adapter of this form, all parts one after another, in the current dispose scope.</summary>
    public Tensor Pack(IReadOnlyList<(int Layer, EncoderModule Module, LayerCorrection Correction)> corrections)
    {
        using var scope = NewDisposeScope();
        var values = zeros(Widths.Sum());
        long start = 0;
        foreach (var block in corrections.GroupBy(c => c.Layer))
        {
            var layer = _layers[_parts[block.Key]];
            var part = values.narrow(0, start, layer.Width);
            foreach (var (_, module, correction) in block)
                layer.Find(module)!.Pack(correction, part);
            start += layer.Width;
        }
        return values.MoveToOuterDisposeScope();
    }
}

/// <summary>How a block's corrections lie one after another: every A, so that layers with one input have theirs side by side, every B, every gain and shift.</summary>
internal sealed class FormLayer
{
    private readonly FormModule?[] _modules = new FormModule?[Enum.GetValues<EncoderModule>().Length];

    /// <param name="corrections">In the block's order.</param>
    public FormLayer(IReadOnlyList<(EncoderModule Module, LayerCorrection Correction)> corrections)
    {
        long factors = 0, others = corrections.Sum(c => AdapterForm.Rank(c.Correction) * c.Correction.A.shape[1]);
        foreach (var (module, c) in corrections)
        {
            int rank = AdapterForm.Rank(c);
            long inputs = c.A.shape[1], outputs = c.B.shape[0];
            _modules[(int)module] = new(rank, inputs, outputs, factors, others, c.Gain is not null);
            factors += rank * inputs;
            others += (rank * outputs) + (c.Gain is null ? 0 : 2 * outputs);
        }
        Width = others;
    }

    public long Width { get; }

    /// <summary>Where a layer's correction lies, or null where it has none.</summary>
    public FormModule? Find(EncoderModule module) => _modules[(int)module];
}

/// <summary>Where one linear layer's correction lies within its block's.</summary>
/// <param name="Rank">r, filled up.</param>
/// <param name="Inputs">Of the layer.</param>
/// <param name="Outputs">Of the layer.</param>
/// <param name="A">Where A [r, in] begins.</param>
/// <param name="B">Where s·B [out, r] begins; gain and shift [out] come after it.</param>
/// <param name="HasGain">Whether there are those two.</param>
internal sealed record FormModule(int Rank, long Inputs, long Outputs, long A, long B, bool HasGain)
{
    public long Gain => B + (Rank * Outputs);

    public long Shift => Gain + Outputs;

    /// <param name="correction">The layer's.</param>
    /// <param name="part">The block's numbers, zeros so far.</param>
    public void Pack(LayerCorrection correction, Tensor part)
    {
        long rank = correction.A.shape[0];
        part.narrow(0, A, rank * Inputs).view(rank, Inputs).copy_(correction.A);
        part.narrow(0, B, Outputs * Rank).view(Outputs, Rank).narrow(1, 0, rank).copy_(correction.B).Mul_(correction.Scaling);
        if (!HasGain)
            return;
        part.narrow(0, Gain, Outputs).copy_(correction.Gain!);
        part.narrow(0, Shift, Outputs).copy_(correction.Shift!);
    }
}
