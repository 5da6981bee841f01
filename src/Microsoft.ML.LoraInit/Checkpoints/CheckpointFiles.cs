using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Tokenization;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Checkpoints;

/// <summary>
/// An open checkpoint: configuration, vocabulary and weights, wherever they lie. Opening has checked the configuration
/// and the weights' headers; tensors are read on demand.
/// </summary>
internal sealed class CheckpointFiles : IDisposable
{
    private readonly Func<string, Stream> _open;
    private readonly IReadOnlyList<SafetensorsFile> _weights;
    private readonly Dictionary<string, (SafetensorsFile File, string StoredName)> _tensors = new(StringComparer.Ordinal);

    /// <param name="identity">Which base this is.</param>
    /// <param name="configJson">The text of <c>config.json</c>.</param>
    /// <param name="open">Opens <c>vocab.json</c> or <c>merges.txt</c>.</param>
    /// <param name="weights">The weights file, or a sharded checkpoint's files; taken over, also where this constructor throws.</param>
    public CheckpointFiles(BaseIdentity identity, string configJson, Func<string, Stream> open, IReadOnlyList<SafetensorsFile> weights)
    {
        Identity = identity;
        ConfigJson = configJson;
        _open = open;
        _weights = weights;
        try
        {
            Config = RobertaConfigReader.Parse(configJson, $"{identity.Id}: config.json");
            foreach (var file in weights)
                foreach (var name in file.Names)
                    if (!_tensors.TryAdd(FullName(name), (file, name)))
                        throw new InvalidDataException($"'{identity.Id}': two weight files hold the tensor '{name}'.");
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public RobertaConfig Config { get; }

    public BaseIdentity Identity { get; }

    /// <summary>The text of <c>config.json</c>.</summary>
    public string ConfigJson { get; }

    /// <summary>The tensors' names; those of the encoder begin with <c>roberta.</c></summary>
    public IReadOnlyCollection<string> TensorNames => _tensors.Keys;

    /// <summary>The tokenizer that the checkpoint was trained with; it needs these files no longer.</summary>
    /// <exception cref="InvalidDataException">Its files are damaged, or do not fit the configuration.</exception>
    public RobertaTokenizer OpenTokenizer()
    {
        using var vocabulary = OpenVocabulary();
        using var merges = OpenMerges();
        return RobertaTokenizer.Create(vocabulary, merges, Config);
    }

    /// <summary>Opens <c>vocab.json</c>.</summary>
    public Stream OpenVocabulary() => _open(CheckpointNames.Vocabulary);

    /// <summary>Opens <c>merges.txt</c>.</summary>
    public Stream OpenMerges() => _open(CheckpointNames.Merges);

    /// <summary>Reads the encoder's weights; heads that the checkpoint carries are left out.</summary>
    /// <param name="device">Where they are wanted.</param>
    /// <param name="dtype">The type wanted; of what is quantised, the type that passes compute with.</param>
    /// <param name="quantization">How the linear layers' weights are to be held. These files must then stay open while strategies may ask for the original weights.</param>
    /// <exception cref="InvalidDataException">A tensor is missing, surplus, of another shape than the configuration asks for, or has numbers that are not finite.</exception>
    public BaseWeights LoadWeights(Device device, ScalarType dtype, BaseQuantization quantization = BaseQuantization.None)
    {
        if (quantization == BaseQuantization.Nf4)
        {
            using var plain = LoadWeights(CPU, ScalarType.Float32);
            return QuantizedBase.Pack(plain, device, dtype, name => Read(name, ScalarType.Float32, CPU));
        }
        var found = _tensors.ToDictionary(t => t.Key, t => t.Value.File.Info(t.Value.StoredName), StringComparer.Ordinal);
        var names = EncoderTensors.Check(Config, found, Identity.Id);
        using var scope = NewDisposeScope();
        return new BaseWeights(Config, Identity, names.ToDictionary(n => n, n => Read(n, dtype, device), StringComparer.Ordinal));
    }

    /// <summary>Reads any of the checkpoint's tensors (a head, say); they belong to the caller's dispose scope.</summary>
    /// <param name="names">Which ones.</param>
    /// <param name="device">Where they are wanted.</param>
    /// <param name="dtype">The type wanted.</param>
    public IReadOnlyDictionary<string, Tensor> LoadTensors(Func<string, bool> names, Device device, ScalarType dtype) =>
        _tensors.Keys.Where(names).ToDictionary(n => n, n => Read(n, dtype, device), StringComparer.Ordinal);

    public void Dispose()
    {
        foreach (var file in _weights)
            file.Dispose();
    }

    private Tensor Read(string name, ScalarType dtype, Device device)
    {
        var (file, stored) = _tensors[name];
        return file.Read(stored, dtype, device, FiniteNumbers.MostOfWeights);
    }

    // A bare encoder is saved without the prefix that the same encoder has below a head.
    private static string FullName(string name) =>
        name.StartsWith("embeddings.", StringComparison.Ordinal)
        || name.StartsWith("encoder.", StringComparison.Ordinal)
        || name.StartsWith("pooler.", StringComparison.Ordinal)
            ? $"roberta.{name}"
            : name;
}
