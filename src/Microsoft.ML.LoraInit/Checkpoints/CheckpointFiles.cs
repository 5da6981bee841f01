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
    private readonly Func<string, Stream?> _open;
    private readonly TokenizerFolder _tokenizer;
    private readonly IReadOnlyList<SafetensorsFile> _weights;
    private readonly Dictionary<string, (SafetensorsFile File, string StoredName)> _tensors = new(StringComparer.Ordinal);

    /// <param name="identity">Which base this is.</param>
    /// <param name="configJson">The text of <c>config.json</c>.</param>
    /// <param name="open">Opens a file of the tokenizer (<see cref="TokenizerNames"/>); null where it is absent.</param>
    /// <param name="weights">The weights file, or a sharded checkpoint's files; taken over, also where this constructor throws.</param>
    public CheckpointFiles(BaseIdentity identity, string configJson, Func<string, Stream?> open, IReadOnlyList<SafetensorsFile> weights)
    {
        Identity = identity;
        ConfigJson = configJson;
        _open = open;
        _weights = weights;
        try
        {
            Config = RobertaConfigReader.Parse(configJson, $"{identity.Id}: config.json");
            _tokenizer = new(Config.ModelType, open, identity.Id);
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

    /// <summary>The encoder's tensors with the bits and the number of their elements, as their headers say.</summary>
    /// <exception cref="InvalidDataException">A tensor is missing, surplus or of another shape than the configuration asks for.</exception>
    public IEnumerable<(string Name, int Bits, long Elements)> EncoderSizes =>
        from name in EncoderTensors.Check(Config, Infos(), Identity.Id)
        let info = _tensors[name].File.Info(_tensors[name].StoredName)
        select (name, 8 * SafetensorsDType.Size(info.DType), info.Shape.Aggregate(1L, (a, b) => a * b));

    /// <summary>The vocabulary's files, which a copy of the model needs beside configuration and weights.</summary>
    public IReadOnlyList<string> VocabularyNames => VocabularyFiles.Names(Config.ModelType);

    /// <summary>Opens a file of <see cref="VocabularyNames"/>, or what <c>tokenizer.json</c> says in its place.</summary>
    public Stream OpenVocabulary(string name) => _tokenizer.OpenVocabulary(name);

    /// <summary>The tokenizer as the checkpoint's files describe it.</summary>
    /// <exception cref="InvalidDataException">A file is malformed, not RoBERTa's, or contradicts another.</exception>
    public SubwordTokenizer OpenTokenizer() => OpenTokenizer(_tokenizer.ReadRule(Config, ConfigJson));

    /// <summary>The tokenizer with the rule of a model trained on this base.</summary>
    /// <param name="rule">The model's; null for a model of version 0.1.0.</param>
    /// <exception cref="InvalidDataException">A file is malformed or does not fit the model.</exception>
    public SubwordTokenizer OpenTokenizer(TokenizerRule? rule) => _tokenizer.Tokenizer(Config, rule ?? TokenizerRule.Plain);

    /// <summary>The tokenizer that an adapter's folder brings, or the checkpoint's where it brings none.</summary>
    /// <param name="folder">The adapter's folder.</param>
    /// <exception cref="InvalidDataException">A file is malformed, not RoBERTa's, or the vocabulary is not this base's.</exception>
    public SubwordTokenizer OpenTokenizerOf(string folder)
    {
        if (!TokenizerNames.All.Any(name => File.Exists(Path.Combine(folder, name))))
            return OpenTokenizer();
        var own = new TokenizerFolder(Config.ModelType, Own, folder);
        if (own.IsComplete)
            own.CheckSameVocabulary(_tokenizer);
        var rule = (own.IsComplete ? own : new TokenizerFolder(Config.ModelType, name => Own(name) ?? _open(name), folder)).ReadRule(Config, ConfigJson);
        return OpenTokenizer(rule);

        MemoryStream? Own(string name) => Path.Combine(folder, name) is var path && File.Exists(path) ? new(UntrustedFile.Read(path, UntrustedFile.MaxVocabulary), writable: false) : null;
    }

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
        var names = EncoderTensors.Check(Config, Infos(), Identity.Id);
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

    private Dictionary<string, (ScalarType DType, long[] Shape)> Infos() =>
        _tensors.ToDictionary(t => t.Key, t => t.Value.File.Info(t.Value.StoredName), StringComparer.Ordinal);

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
