using Microsoft.ML.LoraInit.Cpu;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Inference.Cpu;

/// <summary>
/// What <see cref="MergedModel"/> computes, on the CPU without tensors: weights packed for the processor's vectors, texts one after
/// another without padding, no native call and no native thread. Nothing in it changes, so any number of threads may run it. A
/// text's logits do not depend on the texts beside it or on who helps, to the last bit.
/// </summary>
internal sealed unsafe class CpuEncoder
{
    private readonly RobertaConfig _config;
    private readonly SentencePooling? _pooling;
    private readonly CpuWeightReader _reader;
    private readonly AlignedArray<float> _words, _positions;
    private readonly CpuNorm _norm;
    private readonly CpuLayer[] _layers;
    private readonly FloatLinear _dense, _outProjection;

    /// <param name="config">The model's shape.</param>
    /// <param name="weights">Every weight of encoder and head by full name; taken over and freed, also when this fails.</param>
    /// <param name="pooling">What comes of a text: a vector made so, or its logits where it is null.</param>
    /// <exception cref="ArgumentException">A weight is missing, of another shape, or not part of such a model.</exception>
    public CpuEncoder(RobertaConfig config, IReadOnlyDictionary<string, Tensor> weights, SentencePooling? pooling = null)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        var bag = new WeightBag(weights, ScalarType.Float32, scope);
        (_config, _pooling) = (config, pooling);
        _reader = new(config, bag);
        _words = _reader.Table(RobertaNames.Words, config.VocabularySize);
        // Token types are all 0, so their one row may as well be part of the positions.
        _positions = _reader.Table(RobertaNames.Positions, config.MaxPositions);
        var types = _reader.Table(RobertaNames.TokenTypes, config.TypeVocabularySize);
        for (int i = 0; i < config.MaxPositions; i++)
            RowMath.Add(_positions.Pointer + ((long)i * config.HiddenSize), types.Pointer, config.HiddenSize);
        _norm = _reader.Norm(RobertaNames.EmbeddingNorm);
        _layers = [.. Enumerable.Range(0, config.Layers).Select(i => new CpuLayer(config, i, _reader, firstOnly: i == config.Layers - 1 && pooling != SentencePooling.Mean))];
        _dense = _reader.Linear(config.HiddenSize, config.HiddenSize, RobertaNames.HeadDense);
        _outProjection = _reader.Linear(_reader.RowsOf(RobertaNames.HeadProjection) ?? 0, config.HiddenSize, RobertaNames.HeadProjection);
        bag.CheckAllTaken();
    }

    /// <summary>Numbers a text: logits, or a vector's.</summary>
    public int Outputs => _pooling is null ? _outProjection.Outputs : _config.HiddenSize;

    /// <summary>A row of numbers for each text.</summary>
    public float[][] Score(UnpaddedTexts texts, CpuTeam team)
    {
        int hidden = _config.HiddenSize;
        var memory = CpuScratch.Floats((long)texts.Tokens * hidden, out float* x);
        Embed(texts, x);
        _norm.Apply(x, null, texts.Tokens);
        foreach (var layer in _layers)
            layer.Apply(texts, x, team);
        var rows = _pooling switch
        {
            SentencePooling.Mean => Means(texts, x),
            SentencePooling.FirstToken => Rows(x, texts.Count, hidden),
            var pooling => Classify(x, texts.Count, team, projects: pooling is null),
        };
        CpuScratch.Return(memory);
        GC.KeepAlive(this);
        return rows;
    }

    /// <summary>The model over tensors, with the weights that compute here; the caller disposes of it.</summary>
    public MergedModel ToMergedModel()
    {
        var tensors = _reader.Restore();
        Add(RobertaNames.Words, _words);
        Add(RobertaNames.Positions, _positions);
        tensors.Add(RobertaNames.TokenTypes, zeros(_config.TypeVocabularySize, _config.HiddenSize).DetachFromDisposeScope());
        return new(_config, tensors, _pooling);

        void Add(string name, AlignedArray<float> table) =>
            tensors.Add(name, tensor(table.Span.ToArray(), table.Length / _config.HiddenSize, _config.HiddenSize).DetachFromDisposeScope());
    }

    private void Embed(UnpaddedTexts texts, float* x)
    {
        int hidden = _config.HiddenSize;
        for (int text = 0; text < texts.Count; text++)
        {
            float* position = _positions.Pointer + ((long)(_config.PadTokenId + 1) * hidden);
            foreach (int id in texts.Ids(text))
            {
                _words.Span.Slice(id * hidden, hidden).CopyTo(new(x, hidden)); // checks the id
                RowMath.Add(x, position, hidden);
                x += hidden;
                position += hidden;
            }
        }
    }

    /// <summary>The head.</summary>
    /// <param name="x">[texts, hidden], the first tokens.</param>
    /// <param name="count">Number of texts.</param>
    /// <param name="team">Who may help.</param>
    /// <param name="projects">Whether the last layer follows.</param>
    private float[][] Classify(float* x, int count, CpuTeam team, bool projects)
    {
        int hidden = _config.HiddenSize;
        var memory = CpuScratch.Floats((long)count * (hidden + Outputs), out float* pooled);
        float* y = pooled + ((long)count * hidden);
        _dense.Apply(x, hidden, count, pooled, hidden, team);
        RowMath.Tanh(pooled, count * hidden);
        if (projects)
            _outProjection.Apply(pooled, hidden, count, y, Outputs, team);
        var rows = Rows(projects ? y : pooled, count, Outputs);
        CpuScratch.Return(memory);
        return rows;
    }

    /// <summary>The means of the texts' tokens, added up in their order.</summary>
    private float[][] Means(UnpaddedTexts texts, float* x)
    {
        int hidden = _config.HiddenSize;
        var means = new float[texts.Count][];
        for (int text = 0; text < means.Length; text++)
        {
            var sums = new double[hidden];
            for (int i = 0; i < texts.Length(text); i++, x += hidden)
                for (int k = 0; k < hidden; k++)
                    sums[k] += x[k];
            int tokens = texts.Length(text);
            means[text] = Array.ConvertAll(sums, sum => (float)(sum / tokens));
        }
        return means;
    }

    private static float[][] Rows(float* x, int count, int width)
    {
        var rows = new float[count][];
        for (int i = 0; i < count; i++)
            rows[i] = new ReadOnlySpan<float>(x + ((long)i * width), width).ToArray();
        return rows;
    }
}
