using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Training;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;
using Parameter = TorchSharp.Modules.Parameter;

namespace Microsoft.ML.LoraInit.Benchmarks.Steps;

/// <summary>
/// RoBERTa with LoRA on query and value as one would write it on TorchSharp without this library: a functional call for every
/// operation, a parameter for every matrix. What the engine is compared with.
/// </summary>
internal sealed class PlainRoberta : IDisposable
{
    private readonly BaseWeights _base;
    private readonly double _dropout;
    private readonly double _scaling;
    private readonly Dictionary<string, Parameter> _trained = new(StringComparer.Ordinal);

    /// <param name="weights">The base, for which the caller keeps its lease.</param>
    /// <param name="setup">Rank, dropout, device.</param>
    public PlainRoberta(BaseWeights weights, StepSetup setup)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var generator = new Generator(1, CPU);
        (_base, _dropout, _scaling) = (weights, setup.Dropout, setup.Alpha / setup.Rank);
        foreach (var (name, tensor) in HeadInitializer.Create(weights.Config, StepSetup.Classes, 0, setup.Device))
            Train(name, tensor);
        long hidden = weights.Config.HiddenSize;
        var bound = 1 / Math.Sqrt(hidden); // Kaiming's with a = √5, as LoRA starts A
        for (int layer = 0; layer < weights.Config.Layers; layer++)
        {
            foreach (var module in (string[])["query", "value"])
            {
                Train($"{Attention(layer)}.{module}.lora_A", empty(setup.Rank, hidden).uniform_(-bound, bound, generator).to(setup.Device));
                Train($"{Attention(layer)}.{module}.lora_B", zeros(hidden, setup.Rank, device: setup.Device));
            }
        }

        void Train(string name, Tensor value) => _trained.Add(name, (Parameter)new Parameter(value, true).DetachFromDisposeScope());
    }

    public IReadOnlyCollection<Parameter> Parameters => _trained.Values;

    /// <summary>Token ids [batch, length] without padding → logits fp32 [batch, classes].</summary>
    public Tensor forward(Tensor ids)
    {
        var config = _base.Config;
        var (batch, length) = (ids.shape[0], ids.shape[1]);
        var positions = arange(config.PadTokenId + 1, config.PadTokenId + 1 + length, dtype: ScalarType.Int64, device: ids.device).expand(batch, length);
        const string Embeddings = "roberta.embeddings";
        var x = Rows($"{Embeddings}.word_embeddings.weight", ids) + Rows($"{Embeddings}.position_embeddings.weight", positions) + _base[$"{Embeddings}.token_type_embeddings.weight"].select(0, 0);
        x = Dropout(Norm(x, $"{Embeddings}.LayerNorm"));
        for (int layer = 0; layer < config.Layers; layer++)
            x = Layer(x, layer);
        var first = Dropout(x.select(1, 0).to(ScalarType.Float32));
        var dense = Dropout(F.linear(first, _trained["classifier.dense.weight"], _trained["classifier.dense.bias"]).tanh());
        return F.linear(dense, _trained["classifier.out_proj.weight"], _trained["classifier.out_proj.bias"]);
    }

    public void Dispose()
    {
        foreach (var parameter in _trained.Values)
        {
            parameter.grad?.Dispose();
            parameter.Dispose();
        }
    }

    private static string Attention(int layer) => $"roberta.encoder.layer.{layer}.attention.self";

    private Tensor Layer(Tensor x, int layer)
    {
        var name = $"roberta.encoder.layer.{layer}";
        var query = Heads(Adapted(x, $"{Attention(layer)}.query"));
        var key = Heads(Linear(x, $"{Attention(layer)}.key"));
        var value = Heads(Adapted(x, $"{Attention(layer)}.value"));
        var attended = F.scaled_dot_product_attention(query, key, value, null, _dropout, false).transpose(1, 2).reshape(x.shape);
        x = Norm(Dropout(Linear(attended, $"{name}.attention.output.dense")) + x, $"{name}.attention.output.LayerNorm");
        var transformed = Linear(F.gelu(Linear(x, $"{name}.intermediate.dense")), $"{name}.output.dense");
        return Norm(Dropout(transformed) + x, $"{name}.output.LayerNorm");
    }

    private Tensor Adapted(Tensor x, string name)
    {
        var low = F.linear(x, _trained[$"{name}.lora_A"].to(x.dtype));
        return Linear(x, name) + (F.linear(low, _trained[$"{name}.lora_B"].to(x.dtype)) * _scaling);
    }

    private Tensor Linear(Tensor x, string name) => F.linear(x, _base[$"{name}.weight"], _base[$"{name}.bias"]);

    private Tensor Norm(Tensor x, string name) => F.layer_norm(x, [x.shape[^1]], _base[$"{name}.weight"], _base[$"{name}.bias"], _base.Config.LayerNormEps);

    private Tensor Dropout(Tensor x) => _dropout > 0 ? F.dropout(x, _dropout, true, false) : x;

    private Tensor Rows(string table, Tensor ids) => _base[table].index_select(0, ids.reshape(-1)).view(ids.shape[0], ids.shape[1], -1);

    private Tensor Heads(Tensor x) => x.view(x.shape[0], x.shape[1], _base.Config.Heads, _base.Config.HeadSize).transpose(1, 2);
}
