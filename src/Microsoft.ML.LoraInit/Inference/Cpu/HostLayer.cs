using Microsoft.ML.LoraInit.Cpu;
using Microsoft.ML.LoraInit.Roberta;

namespace Microsoft.ML.LoraInit.Inference.Cpu;

/// <summary>
/// One block: what <see cref="MergedLayer"/> computes, without tensors. Query, key and value are one product; the last block goes on
/// with first tokens alone, which are all that the head reads.
/// </summary>
internal sealed unsafe class HostLayer
{
    private readonly RobertaConfig _config;
    private readonly bool _isLast;
    private readonly FloatLinear _keyValue, _attentionOutput, _intermediate, _output;
    private readonly FloatLinear? _query; // of the last block; else it is part of _keyValue
    private readonly HostNorm _attentionNorm, _outputNorm;
    private readonly HostBottleneck? _attentionBottleneck, _outputBottleneck;

    /// <param name="config">The model's shape.</param>
    /// <param name="index">The block, from 0.</param>
    /// <param name="reader">Where the weights come from.</param>
    public HostLayer(RobertaConfig config, int index, HostWeightReader reader)
    {
        (_config, _isLast) = (config, index == config.Layers - 1);
        var name = $"roberta.encoder.layer.{index}";
        int hidden = config.HiddenSize;
        string query = $"{name}.attention.self.query", key = $"{name}.attention.self.key", value = $"{name}.attention.self.value";
        if (_isLast)
            _query = reader.Linear(hidden, hidden, query);
        _keyValue = _isLast ? reader.Linear(hidden, hidden, key, value) : reader.Linear(hidden, hidden, query, key, value);
        _attentionOutput = reader.Linear(hidden, hidden, $"{name}.attention.output.dense");
        _attentionNorm = reader.Norm($"{name}.attention.output.LayerNorm");
        _intermediate = reader.Linear(config.IntermediateSize, hidden, $"{name}.intermediate.dense");
        _output = reader.Linear(hidden, config.IntermediateSize, $"{name}.output.dense");
        _outputNorm = reader.Norm($"{name}.output.LayerNorm");
        _attentionBottleneck = HostBottleneck.ReadIfThere(BottleneckAdapter.AttentionName(index), hidden, reader);
        _outputBottleneck = HostBottleneck.ReadIfThere(BottleneckAdapter.OutputName(index), hidden, reader);
    }

    /// <param name="texts">Where the texts lie.</param>
    /// <param name="x">[tokens, hidden]; gets the block's result, of the last block [texts, hidden].</param>
    /// <param name="team">Who may help.</param>
    public void Apply(PackedTexts texts, float* x, HostTeam team)
    {
        int hidden = _config.HiddenSize, tokens = texts.Tokens;
        int rows = _isLast ? texts.Count : tokens; // that go on
        int width = _keyValue.Outputs + (_query?.Outputs ?? 0), wide = _intermediate.Outputs;
        var memory = HostScratch.Floats(((long)tokens * width) + (2L * rows * hidden) + ((long)rows * wide), out float* projected);
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
        _outputNorm.Apply(x, y, rows);
        HostScratch.Return(memory);
    }

    /// <summary>In the last block x becomes the texts' first tokens on the way.</summary>
    private void Attend(PackedTexts texts, float* x, float* projected, float* attended, HostTeam team)
    {
        int hidden = _config.HiddenSize, stride = _keyValue.Outputs;
        _keyValue.Apply(x, hidden, texts.Tokens, projected, stride, team);
        if (_query is null)
        {
            HostAttention.Apply(_config, texts, new(projected, stride), firstOnly: false, new(projected + hidden, stride), attended, team);
            return;
        }
        for (int text = 1; text < texts.Count; text++)
            new ReadOnlySpan<float>(x + ((long)texts.Start(text) * hidden), hidden).CopyTo(new(x + ((long)text * hidden), hidden));
        float* queries = projected + ((long)texts.Tokens * stride);
        _query.Apply(x, hidden, texts.Count, queries, hidden, team);
        HostAttention.Apply(_config, texts, new(queries, hidden), firstOnly: true, new(projected, stride), attended, team);
    }
}
