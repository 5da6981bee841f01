using Microsoft.ML.LoraInit.Cpu;
using Microsoft.ML.LoraInit.Roberta;

namespace Microsoft.ML.LoraInit.Inference.Cpu;

/// <summary>
/// One block: what <see cref="ScoringLayer"/> computes, without tensors. Query, key and value are one product; the last block goes on
/// with first tokens alone, which are all that the head reads.
/// </summary>
internal sealed unsafe class CpuLayer
{
    private readonly RobertaConfig _config;
    private readonly bool _firstOnly;
    private readonly FloatLinear _keyValue, _attentionOutput, _intermediate, _output;
    private readonly FloatLinear? _query; // of the last block; else it is part of _keyValue
    private readonly CpuNorm _attentionNorm, _outputNorm;
    private readonly CpuBottleneck? _attentionBottleneck, _outputBottleneck, _layerBottleneck;
    private readonly CpuFusion? _fusion; // in the place of _outputBottleneck

    /// <param name="config">The model's shape.</param>
    /// <param name="index">The block, from 0.</param>
    /// <param name="reader">Where the weights come from.</param>
    /// <param name="firstOnly">Whether the first token of each text alone goes on: the last block, unless all tokens are wanted.</param>
    public CpuLayer(RobertaConfig config, int index, CpuWeightReader reader, bool firstOnly)
    {
        (_config, _firstOnly) = (config, firstOnly);
        int hidden = config.HiddenSize;
        if (_firstOnly)
            _query = Linear(EncoderModule.Query);
        _keyValue = _firstOnly ? Linear(EncoderModule.Key, EncoderModule.Value) : Linear(EncoderModule.Query, EncoderModule.Key, EncoderModule.Value);
        _attentionOutput = Linear(EncoderModule.AttentionOutput);
        _attentionNorm = reader.Norm(RobertaNames.InLayer(index, RobertaNames.AttentionNorm));
        _intermediate = Linear(EncoderModule.Intermediate);
        _output = Linear(EncoderModule.Output);
        _outputNorm = reader.Norm(RobertaNames.InLayer(index, RobertaNames.OutputNorm));
        _attentionBottleneck = CpuBottleneck.ReadIfThere(BottleneckAdapter.NameOf(index, BottleneckPlace.Attention), hidden, reader);
        _outputBottleneck = CpuBottleneck.ReadIfThere(BottleneckAdapter.NameOf(index, BottleneckPlace.Output), hidden, reader);
        _layerBottleneck = CpuBottleneck.ReadIfThere(BottleneckAdapter.NameOf(index, BottleneckPlace.Layer), hidden, reader);
        _fusion = CpuFusion.ReadIfThere(BottleneckFusion.NameOf(index), hidden, reader);

        FloatLinear Linear(params EncoderModule[] modules)
        {
            var (outputs, inputs) = RobertaNames.Shape(modules[0], config);
            return reader.Linear(outputs, inputs, [.. modules.Select(m => RobertaNames.Linear(index, m))]);
        }
    }

    /// <param name="texts">Where the texts lie.</param>
    /// <param name="x">[tokens, hidden]; gets the block's result, of the last block [texts, hidden].</param>
    /// <param name="team">Who may help.</param>
    public void Apply(UnpaddedTexts texts, float* x, CpuTeam team)
    {
        int hidden = _config.HiddenSize, tokens = texts.Tokens;
        int rows = _firstOnly ? texts.Count : tokens; // that go on
        int width = _keyValue.Outputs + (_query?.Outputs ?? 0), wide = _intermediate.Outputs;
        var memory = CpuScratch.Floats(((long)tokens * width) + (2L * rows * hidden) + ((long)rows * wide), out float* projected);
        float* attended = projected + ((long)tokens * width);
        float* y = attended + ((long)rows * hidden);
        float* inner = y + ((long)rows * hidden);

        Attend(texts, x, projected, attended, team);
        _attentionOutput.Apply(attended, hidden, rows, y, hidden, team);
        _attentionBottleneck?.Apply(y, rows, team);
        _attentionNorm.Apply(y, x, rows);
        _intermediate.Apply(y, hidden, rows, inner, wide, team);
        team.For(rows, 8L * wide, (first, end) => RowMath.Gelu(inner + ((long)first * wide), (end - first) * wide));
        _output.Apply(inner, wide, rows, x, hidden, team);
        _outputBottleneck?.Apply(x, rows, team);
        _fusion?.Apply(x, rows, team);
        _outputNorm.Apply(x, y, rows);
        _layerBottleneck?.Apply(x, rows, team);
        CpuScratch.Return(memory);
    }

    /// <summary>In the last block x becomes the texts' first tokens on the way.</summary>
    private void Attend(UnpaddedTexts texts, float* x, float* projected, float* attended, CpuTeam team)
    {
        int hidden = _config.HiddenSize, stride = _keyValue.Outputs;
        _keyValue.Apply(x, hidden, texts.Tokens, projected, stride, team);
        if (_query is null)
        {
            CpuAttention.Apply(_config, texts, new(projected, stride), firstOnly: false, new(projected + hidden, stride), attended, team);
            return;
        }
        for (int text = 1; text < texts.Count; text++)
            new ReadOnlySpan<float>(x + ((long)texts.Start(text) * hidden), hidden).CopyTo(new(x + ((long)text * hidden), hidden));
        float* queries = projected + ((long)texts.Tokens * stride);
        _query.Apply(x, hidden, texts.Count, queries, hidden, team);
        CpuAttention.Apply(_config, texts, new(queries, hidden), firstOnly: true, new(projected, stride), attended, team);
    }
}
