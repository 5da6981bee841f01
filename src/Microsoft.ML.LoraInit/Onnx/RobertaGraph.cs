using Microsoft.ML.LoraInit.Adapters.Fusion;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Onnx;

/// <summary>
/// A merged model as a graph: token ids and mask in, logits out. It computes what RoBERTa does (positions count the ids that are
/// not padding), and in the last block only the first token, which is all that the head reads; so padding goes to the right.
/// </summary>
internal sealed class RobertaGraph
{
    public const string InputIds = "input_ids", AttentionMask = "attention_mask", Logits = "logits";

    private const string Batch = "batch", Length = "length";

    private readonly OnnxGraph _graph = new("roberta");
    private readonly RobertaConfig _config;
    private readonly Dictionary<string, Tensor> _left;
    private readonly Int8Product? _int8;
    private readonly string _zero, _one, _two, _half, _lastAxis, _firstToken, _headShape, _hiddenShape;

    private RobertaGraph(RobertaConfig config, IReadOnlyDictionary<string, Tensor> weights, bool int8)
    {
        _int8 = int8 ? new(_graph) : null;
        _config = config;
        _left = new(weights, StringComparer.Ordinal);
        _zero = _graph.Constant(OnnxTensor.Scalar("zero", 0L));
        _one = _graph.Constant(OnnxTensor.Scalar("one", 1f));
        _two = _graph.Constant(OnnxTensor.Scalar("two", 2f));
        _half = _graph.Constant(OnnxTensor.Scalar("half", 0.5f));
        _lastAxis = _graph.Constant(OnnxTensor.Scalar("axis_1", 1L));
        _firstToken = _graph.Constant(OnnxTensor.Of("first_token", 0L));
        // 0 keeps an axis as it is.
        _headShape = _graph.Constant(OnnxTensor.Of("shape_heads", 0, 0, config.Heads, config.HeadSize));
        _hiddenShape = _graph.Constant(OnnxTensor.Of("shape_hidden", 0, 0, config.HiddenSize));
    }

    /// <param name="config">The model's shape.</param>
    /// <param name="weights">Every weight of encoder, bottlenecks and head by full name; they must live until the graph is written.</param>
    /// <param name="score">The second output and the operator that makes it of the logits.</param>
    /// <param name="int8">Whether the encoder's products with weights are computed in 8 bits (<see cref="Int8Product"/>); the head's are not.</param>
    /// <exception cref="ArgumentException">A weight is missing, or has no place in the graph.</exception>
    public static OnnxGraph Build(RobertaConfig config, IReadOnlyDictionary<string, Tensor> weights, OnnxScore score, bool int8 = false)
    {
        var builder = new RobertaGraph(config, weights, int8);
        builder.Build(score);
        if (builder._left.Count > 0)
            throw new ArgumentException($"The merged weights hold '{builder._left.Keys.Order(StringComparer.Ordinal).First()}' (one of {builder._left.Count}), which the graph has no use for.");
        return builder._graph;
    }

    private void Build(OnnxScore score)
    {
        _graph.Inputs.Add(new(InputIds, OnnxType.Int64, Batch, Length));
        _graph.Inputs.Add(new(AttentionMask, OnnxType.Int64, Batch, Length));
        var x = Embed();
        var bias = MaskBias();
        for (int i = 0; i < _config.Layers; i++)
            x = Layer(x, bias, i);

        _graph.Scope = "classifier";
        x = _graph.Add("Gather", [x, _zero], ("axis", 1));
        x = _graph.Add("Tanh", [_graph.Add("Add", [ExactProduct(x, RobertaNames.HeadDense), Weight("classifier.dense.bias")])]);
        var outputs = (int)_left[$"{RobertaNames.HeadProjection}.bias"].shape[0];
        string[] projected = [ExactProduct(x, RobertaNames.HeadProjection), Weight($"{RobertaNames.HeadProjection}.bias")];
        x = score.Empty is { } empty
            ? _graph.AddAs(Logits, "Where", [IsEmpty(empty.Tokens), _graph.Constant(OnnxTensor.OfFloats("empty_text", empty.Logits)), _graph.Add("Add", projected)])
            : _graph.AddAs(Logits, "Add", projected);
        _graph.Outputs.Add(new(Logits, OnnxType.Float, Batch, outputs));
        if (score.Bend is { } bend)
            x = Bent(score.FromLargest ? _graph.Add("Sub", [x, _graph.Add("ReduceMax", [x], ("axes", new long[] { 1 }), ("keepdims", 1))]) : x, bend);
        else if (score.Temperature != 1)
            x = _graph.Add("Div", [x, _graph.Constant(OnnxTensor.Scalar("temperature", (float)score.Temperature))]);
        _graph.AddAs(score.Name, score.Operation, [x], score.Attributes);
        _graph.Outputs.Add(new(score.Name, OnnxType.Float, Batch, outputs));
    }

    /// <summary>Distances up to a bound divided by one temperature, and what goes beyond by another.</summary>
    private string Bent(string distances, TemperatureBend bend)
    {
        var near = _graph.Add("Clip", [distances, Number("bend_from", -bend.At), Number("bend_to", bend.At)]);
        var far = _graph.Add("Div", [_graph.Add("Sub", [distances, near]), Number("far_temperature", bend.Far)]);
        return _graph.Add("Add", [_graph.Add("Div", [near, Number("near_temperature", bend.Near)]), far]);

        string Number(string name, double value) => _graph.Constant(OnnxTensor.Scalar(name, (float)value));
    }

    /// <summary>[batch, 1]: whether a row has no more than its special tokens.</summary>
    private string IsEmpty(int specialTokens)
    {
        var count = _graph.Add("ReduceSum", [AttentionMask, _graph.Constant(OnnxTensor.Of("axes_1", 1L))], ("keepdims", 1));
        return _graph.Add("LessOrEqual", [count, _graph.Constant(OnnxTensor.Scalar("special_tokens", (long)specialTokens))]);
    }

    private string Embed()
    {
        _graph.Scope = "embeddings";
        var padding = _graph.Constant(OnnxTensor.Scalar("pad_token_id", (long)_config.PadTokenId));
        var isToken = _graph.Add("Cast", [_graph.Add("Not", [_graph.Add("Equal", [InputIds, padding])])], ("to", (long)OnnxType.Int64));
        var counted = _graph.Add("Mul", [_graph.Add("CumSum", [isToken, _lastAxis]), isToken]);
        var positions = _graph.Add("Add", [counted, padding]);
        var words = _graph.Add("Gather", [Weight(RobertaNames.Words), InputIds]);
        var x = _graph.Add("Add", [words, _graph.Add("Gather", [Weight(RobertaNames.Positions), positions])]);
        // Token types are all 0.
        var type = _graph.Add("Gather", [Weight(RobertaNames.TokenTypes), _zero]);
        return Normalize(_graph.Add("Add", [x, type]), RobertaNames.EmbeddingNorm);
    }

    /// <summary>[batch, 1, 1, length]: 0 where a key may be attended to, else so low that its share is 0; finite, so that a row of nothing but padding has no NaN.</summary>
    private string MaskBias()
    {
        _graph.Scope = "mask";
        var axes = _graph.Constant(OnnxTensor.Of("axes_1_2", 1, 2));
        var lowest = _graph.Constant(OnnxTensor.Scalar("lowest", float.MinValue));
        var mask = _graph.Add("Unsqueeze", [_graph.Add("Cast", [AttentionMask], ("to", (long)OnnxType.Float)), axes]);
        return _graph.Add("Mul", [_graph.Add("Sub", [_one, mask]), lowest]);
    }

    private string Layer(string x, string bias, int index)
    {
        _graph.Scope = $"layer.{index}";
        var queried = index == _config.Layers - 1 ? _graph.Add("Gather", [x, _firstToken], ("axis", 1)) : x;
        var attended = Linear(Attend(queried, x, bias, index), RobertaNames.Linear(index, EncoderModule.AttentionOutput));
        attended = Bottleneck(attended, BottleneckAdapter.NameOf(index, BottleneckPlace.Attention));
        x = Normalize(_graph.Add("Add", [attended, queried]), RobertaNames.InLayer(index, RobertaNames.AttentionNorm));

        var transformed = Linear(Gelu(Linear(x, RobertaNames.Linear(index, EncoderModule.Intermediate))), RobertaNames.Linear(index, EncoderModule.Output));
        transformed = Fusion(Bottleneck(transformed, BottleneckAdapter.NameOf(index, BottleneckPlace.Output)), BottleneckFusion.NameOf(index));
        x = Normalize(_graph.Add("Add", [transformed, x]), RobertaNames.InLayer(index, RobertaNames.OutputNorm));
        return Bottleneck(x, BottleneckAdapter.NameOf(index, BottleneckPlace.Layer));
    }

    private string Attend(string queried, string x, string bias, int index)
    {
        var root = _graph.Constant(OnnxTensor.Scalar("sqrt_head_size", MathF.Sqrt(_config.HeadSize)));
        var query = Heads(Linear(queried, RobertaNames.Linear(index, EncoderModule.Query)), 0, 2, 1, 3);
        var key = Heads(Linear(x, RobertaNames.Linear(index, EncoderModule.Key)), 0, 2, 3, 1);
        var value = Heads(Linear(x, RobertaNames.Linear(index, EncoderModule.Value)), 0, 2, 1, 3);
        var scores = _graph.Add("Div", [_graph.Add("MatMul", [query, key]), root]);
        var shares = _graph.Add("Softmax", [_graph.Add("Add", [scores, bias])], ("axis", -1));
        var attended = _graph.Add("Transpose", [_graph.Add("MatMul", [shares, value])], ("perm", new long[] { 0, 2, 1, 3 }));
        return _graph.Add("Reshape", [attended, _hiddenShape]);
    }

    /// <summary>[batch, length, hidden] → [batch, length, heads, hidden / heads], its axes in the order given.</summary>
    private string Heads(string x, params long[] order) =>
        _graph.Add("Transpose", [_graph.Add("Reshape", [x, _headShape])], ("perm", order));

    /// <summary>What <see cref="BottleneckAdapter"/> computes where the layer has one of the name, else x.</summary>
    private string Bottleneck(string x, string name)
    {
        if (!_left.ContainsKey($"{name}.down.weight"))
            return x;
        var low = _left.ContainsKey($"{name}.norm.weight")
            ? _graph.Add("Relu", [Linear(Normalize(x, $"{name}.norm"), $"{name}.down")])
            : Gelu(Linear(x, $"{name}.down"));
        return _graph.Add("Add", [x, Linear(low, $"{name}.up")]);
    }

    /// <summary>What <see cref="BottleneckFusion"/> computes where the layer has one of the name, else x. In fp32: 8 bits would lose what V has beside its diagonal.</summary>
    private string Fusion(string x, string name)
    {
        if (!_left.ContainsKey($"{name}.{BottleneckFusion.Source}.0.down.weight"))
            return x;
        var (third, last) = (_graph.Constant(OnnxTensor.Of("axes_2", 2L)), _graph.Constant(OnnxTensor.Of("axes_3", 3L)));
        var changes = new List<string>();
        while (_left.ContainsKey($"{name}.{BottleneckFusion.Source}.{changes.Count}.down.weight"))
        {
            var source = $"{name}.{BottleneckFusion.Source}.{changes.Count}";
            changes.Add(_graph.Add("Unsqueeze", [Linear(Gelu(Linear(x, $"{source}.down")), $"{source}.up"), third]));
        }
        var z = _graph.Add("Concat", [.. changes], ("axis", 2)); // [batch, length, n, hidden]
        var asked = _graph.Add("Unsqueeze", [Exact(x, $"{name}.{FusionPlacement.Score}"), last]);
        var shares = _graph.Add("Softmax", [_graph.Add("MatMul", [z, asked])], ("axis", 2)); // [batch, length, n, 1]
        var mixed = _graph.Add("ReduceSum", [_graph.Add("Mul", [z, shares]), third], ("keepdims", 0));
        return _graph.Add("Add", [x, Exact(mixed, $"{name}.{BottleneckFusion.Value}")]);

        string Exact(string y, string module) => _graph.Add("Add", [ExactProduct(y, module), Weight($"{module}.bias")]);
    }

    private string Linear(string x, string module) => _graph.Add("Add", [Product(x, module), Weight($"{module}.bias")]);

    private string Product(string x, string module) =>
        _int8 is null ? ExactProduct(x, module) : _int8.Add(x, $"{module}.weight", Take($"{module}.weight"));

    private string ExactProduct(string x, string module) => _graph.Add("MatMul", [x, TransposedWeight($"{module}.weight")]);

    private string Gelu(string x)
    {
        var root = _graph.Constant(OnnxTensor.Scalar("sqrt_2", MathF.Sqrt(2)));
        var erf = _graph.Add("Erf", [_graph.Add("Div", [x, root])]);
        return _graph.Add("Mul", [_graph.Add("Mul", [x, _graph.Add("Add", [erf, _one])]), _half]);
    }

    private string Normalize(string x, string module)
    {
        (string, object)[] lastAxis = [("axes", new long[] { -1 }), ("keepdims", 1)];
        var eps = _graph.Constant(OnnxTensor.Scalar("layer_norm_eps", (float)_config.LayerNormEps));
        var centred = _graph.Add("Sub", [x, _graph.Add("ReduceMean", [x], lastAxis)]);
        var variance = _graph.Add("ReduceMean", [_graph.Add("Pow", [centred, _two])], lastAxis);
        var scaled = _graph.Add("Div", [centred, _graph.Add("Sqrt", [_graph.Add("Add", [variance, eps])])]);
        return _graph.Add("Add", [_graph.Add("Mul", [scaled, Weight($"{module}.weight")]), Weight($"{module}.bias")]);
    }

    private string Weight(string name) => _graph.Constant(OnnxTensor.Of(name, Take(name)));

    /// <summary>MatMul multiplies from the right; its weight is stored so, which spares every reader the transposition.</summary>
    private string TransposedWeight(string name)
    {
        var weight = Take(name);
        return _graph.Constant(new($"{name}_transposed", OnnxType.Float, [weight.shape[1], weight.shape[0]], stream =>
        {
            using var scope = NewDisposeScope();
            OnnxTensor.Of(name, weight.t()).Write(stream);
        }));
    }

    private Tensor Take(string name) =>
        _left.Remove(name, out var tensor) ? tensor : throw new ArgumentException($"The merged weights lack '{name}'.");
}
