using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Checkpoints;
using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Peft;

/// <summary>An adapter folder open for reading: its configuration and the names of its tensors are checked, the rest is read on demand.</summary>
internal sealed class PeftFolder : IDisposable
{
    private readonly SafetensorsFile _file;
    private readonly Dictionary<(PeftNames.Part Part, string Name), string> _stored = [];
    private IReadOnlyDictionary<string, Tensor> _baseHead = new Dictionary<string, Tensor>();

    private PeftFolder(string path, PeftConfig config, SafetensorsFile file)
    {
        (Path, Config, _file) = (path, config, file);
        IsBare = PeftNames.IsBare(file.Names);
        foreach (var name in file.Names)
            if (!_stored.TryAdd(PeftNames.Parse(name, file.Name, Family), name))
                throw new InvalidDataException($"'{file.Name}' has two tensors for one place; one of them is '{name}'.");
    }

    public string Path { get; }

    public PeftConfig Config { get; }

    /// <summary>Whether the folder has a classification head.</summary>
    public bool HasHead => Names(PeftNames.Part.Head).Any();

    /// <summary>Number of logits of the head; 0 without one, and where its output layer is the base's (<see cref="CompleteHead"/>).</summary>
    public int Outputs => _stored.TryGetValue((PeftNames.Part.Head, OutWeight), out var stored) ? Rows(stored)
        : _baseHead.TryGetValue(OutWeight, out var weight) ? (int)weight.shape[0] : 0;

    /// <summary>Whether one part of the head was trained alone (<c>modules_to_save</c> names it), so that the other is the base's.</summary>
    public bool HasPartOfHead => HasHead && HeadNames.Any(n => !_stored.ContainsKey((PeftNames.Part.Head, n)));

    /// <summary>Takes the parts of the head that the adapter does not bring from the base's own head, as PEFT does; they belong to the caller's dispose scope.</summary>
    /// <exception cref="InvalidDataException">The base has none.</exception>
    public void CompleteHead(CheckpointFiles files)
    {
        if (!HasPartOfHead)
            return;
        var missing = HeadNames.Where(n => !_stored.ContainsKey((PeftNames.Part.Head, n))).ToArray();
        if (missing.Except(files.TensorNames).FirstOrDefault() is { } absent)
            throw new InvalidDataException($"'{_file.Name}' has a part of the classification head alone, and the base '{files.Identity.Id}' has no '{absent}' to go with it: name the base that the adapter was trained on, or save it with modules_to_save = [\"classifier\"].");
        _baseHead = files.LoadTensors(missing.Contains, CPU, ScalarType.Float32);
    }

    /// <summary>Modules with an A, and its rank, in the file's order.</summary>
    public IEnumerable<(string Module, int Rank)> Modules => Family is null
        ? Names(PeftNames.Part.A).Select(m => (m, Rows(Stored(PeftNames.Part.A, m))))
        : Plan(FamilyModules.Select(m => (m, int.MaxValue, int.MaxValue))).Select(t => (t.ModuleName, Config.Family!.Kept.TryGetValue(t.ModuleName, out var kept) ? kept.Count(k => k) : t.Rank));

    /// <summary>The variant of LoRA that this is; null for LoRA itself.</summary>
    public PeftFamily? Family => Config.Family is null ? null : PeftFamily.Of(Config.Family.Method);

    private IEnumerable<string> FamilyModules => Names(PeftNames.Part.Family).Select(n => n[..^Family!.Suffixes.First(s => n.EndsWith(s, StringComparison.Ordinal)).Length]).Distinct(StringComparer.Ordinal);

    private const string OutWeight = $"{RobertaNames.HeadProjection}.weight";

    private static readonly string[] HeadNames =
        [.. new[] { RobertaNames.HeadDense, RobertaNames.HeadProjection }.SelectMany(m => new[] { $"{m}.weight", $"{m}.bias" })];

    private bool IsBare { get; }

    /// <summary>Opens a folder and checks what can be checked without a base model.</summary>
    /// <exception cref="DirectoryNotFoundException">There is no such folder.</exception>
    /// <exception cref="FileNotFoundException">A file is missing.</exception>
    /// <exception cref="NotSupportedException">The weights are a pickle.</exception>
    /// <exception cref="InvalidDataException">A file is damaged or asks for something that is not supported; the message names the key.</exception>
    public static PeftFolder Open(string folder)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        var path = System.IO.Path.TrimEndingDirectorySeparator(System.IO.Path.GetFullPath(folder));
        if (!Directory.Exists(path))
            throw new DirectoryNotFoundException($"The adapter's folder '{path}' does not exist.");
        var (config, weights) = (System.IO.Path.Combine(path, PeftNames.Config), System.IO.Path.Combine(path, PeftNames.Weights));
        if (!File.Exists(config))
            throw new FileNotFoundException($"'{path}' has no {PeftNames.Config}; an adapter is a folder with {PeftNames.Config} and {PeftNames.Weights}.", config);
        var parsed = PeftConfigReader.Parse(UntrustedFile.ReadText(config, UntrustedFile.MaxJson), config);
        if (!File.Exists(weights))
            throw File.Exists(System.IO.Path.Combine(path, PeftNames.Pickle))
                ? new NotSupportedException(PeftNames.PickleAdvice(path))
                : new FileNotFoundException($"'{path}' has no {PeftNames.Weights}.", weights);
        var file = SafetensorsFile.Open(weights);
        try
        {
            return new(path, parsed, file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>The layers that the configuration chooses in a model of this shape, in the model's order.</summary>
    /// <exception cref="InvalidDataException">It chooses none, or a number is out of range.</exception>
    public IReadOnlyList<AdapterTarget> Targets(RobertaConfig config) => Plan(AdapterPlanner.Modules(config));

    private AdapterTarget[] Plan(IEnumerable<(string Name, int Outputs, int Inputs)> modules)
    {
        try
        {
            var named = modules.Select(m => IsBare ? m with { Name = PeftNames.BareName(m.Name) } : m).Where(m => Config.Exclude?.Matches(m.Name) is not true);
            return [.. AdapterPlanner.Plan(Config.Settings, named).Select(t => t with { ModuleName = PeftNames.FullName(t.ModuleName) })];
        }
        catch (ArgumentException e)
        {
            throw new InvalidDataException($"'{System.IO.Path.Combine(Path, PeftNames.Config)}': {e.Message}", e);
        }
    }

    /// <summary>Reads adapters and head, in fp32 on the CPU; the tensors belong to the caller's dispose scope.</summary>
    /// <exception cref="InvalidDataException">Tensors are missing, surplus or of another shape than configuration and base ask for.</exception>
    public PeftWeights Read(RobertaConfig config)
    {
        var targets = Targets(config);
        var (chosen, found) = (targets.Select(t => t.ModuleName).ToArray(), Names(PeftNames.Part.A).Union(Names(PeftNames.Part.B)).Union(Names(PeftNames.Part.Magnitude)).Union(FamilyModules).ToArray());
        if (found.Except(chosen).FirstOrDefault() is { } surplus)
            throw new InvalidDataException($"'{_file.Name}' has an adapter on '{surplus}', which {PeftNames.Config} does not choose or a RoBERTa with {config.Layers} layers does not have.");
        if (Config.Family?.Kept.Keys.Except(chosen).FirstOrDefault() is { } unknown)
            throw new InvalidDataException($"'{System.IO.Path.Combine(Path, PeftNames.Config)}': rank_pattern names '{unknown}', which target_modules does not choose or a RoBERTa with {config.Layers} layers does not have.");
        var adapters = Family is not null ? [] : targets.Select(t => new PlainAdapter(
            t,
            Read(PeftNames.Part.A, t.ModuleName, t.Rank, t.InFeatures),
            Read(PeftNames.Part.B, t.ModuleName, t.OutFeatures, t.Rank),
            Config.Settings.UseDora ? Magnitude(t) : NoMagnitude(t))
        { TrainedRank = t.Rank }).ToArray();
        var head = HasHead
            ? ClassificationHead.Layout(config, Outputs).ToDictionary(l => l.Name, l => Head(l.Name, l.Shape), StringComparer.Ordinal)
            : null;
        if (head is not null && Names(PeftNames.Part.Head).Except(head.Keys).FirstOrDefault() is { } foreign)
            throw new InvalidDataException($"'{_file.Name}' has the head tensor '{foreign}', which RoBERTa's classification head does not have.");
        var biases = Biases(config, chosen);
        return new(adapters, head, Config.Settings.Dropout)
        {
            Family = Family is null ? null : new(Config.Family!.Method, [.. targets.Select(t => (t, ReadFamily(t)))]),
            Bias = biases.Count > 0 ? Config.Bias : LoraBias.None,
            Biases = biases,
        };
    }

    /// <summary>
    /// The base's biases that were trained too, by name. With <c>lora_only</c> a file may have none of them: PEFT looks for them under the
    /// names that adapted layers had before they were wrapped (save_and_load.py at 000b5847), and loads such a file without them too.
    /// </summary>
    private Dictionary<string, Tensor> Biases(RobertaConfig config, string[] adapted)
    {
        var method = new LoraMethod { Bias = Config.Bias };
        var modules = adapted.ToHashSet(StringComparer.Ordinal);
        var trained = EncoderTensors.Expected(config).Where(t => method.TrainsBase(t.Name, modules)).ToDictionary(t => t.Name, t => t.Shape, StringComparer.Ordinal);
        var stored = Names(PeftNames.Part.Bias).ToArray();
        if (stored.FirstOrDefault(n => !trained.ContainsKey(n)) is { } surplus)
            throw new InvalidDataException($"'{_file.Name}' has the bias '{surplus}', which {PeftNames.Config} does not train (its bias setting means {Config.Bias}) or a RoBERTa with {config.Layers} layers does not have.");
        return stored.Length == 0 && Config.Bias != LoraBias.All ? []
            : trained.ToDictionary(t => t.Key, t => Read(PeftNames.Part.Bias, t.Key, t.Value), StringComparer.Ordinal);
    }

    public void Dispose() => _file.Dispose();

    private Tensor Head(string name, long[] shape) => !_baseHead.TryGetValue(name, out var value) ? Read(PeftNames.Part.Head, name, shape)
        : value.shape.AsSpan().SequenceEqual(shape) ? value
        : throw new InvalidDataException($"The base's '{name}' has the shape [{string.Join(", ", value.shape)}], and the head's other part in '{_file.Name}' asks for [{string.Join(", ", shape)}]: name the base that the adapter was trained on.");

    private IReadOnlyDictionary<string, Tensor> ReadFamily(AdapterTarget target)
    {
        var (family, config) = (Family!, Config.Family!);
        var layout = family.Layout(target, config).ToArray();
        var surplus = family.Suffixes.Except(layout.Select(l => l.Suffix)).FirstOrDefault(s => _stored.ContainsKey((PeftNames.Part.Family, target.ModuleName + s)));
        if (surplus is not null)
            throw new InvalidDataException($"'{_file.Name}' has '{surplus}' of '{target.ModuleName}', which its settings in {PeftNames.Config} have no place for.");
        return family.FromFile(target, config, layout.ToDictionary(l => l.Suffix, l => Read(PeftNames.Part.Family, target.ModuleName + l.Suffix, l.Shape), StringComparer.Ordinal));
    }

    private Tensor Magnitude(AdapterTarget target)
    {
        // A row in the file of some versions, a vector in others.
        using var scope = NewDisposeScope();
        var stored = Stored(PeftNames.Part.Magnitude, target.ModuleName);
        var value = _file.Read(stored, ScalarType.Float32);
        if (value.numel() != target.OutFeatures)
            throw Shape(stored, value.shape, [target.OutFeatures]);
        return value.reshape(-1).MoveToOuterDisposeScope();
    }

    private Tensor? NoMagnitude(AdapterTarget target) => !_stored.ContainsKey((PeftNames.Part.Magnitude, target.ModuleName)) ? null
        : throw new InvalidDataException($"'{_file.Name}' has DoRA's magnitude of '{target.ModuleName}', but {PeftNames.Config} says use_dora = false.");

    private int Rows(string stored)
    {
        var (_, found) = _file.Info(stored);
        return found is [> 0 and <= int.MaxValue, > 0] ? (int)found[0]
            : throw new InvalidDataException($"'{_file.Name}': '{stored}' has the shape [{string.Join(", ", found)}]; a matrix is expected.");
    }

    private Tensor Read(PeftNames.Part part, string name, params long[] shape)
    {
        var stored = Stored(part, name);
        var (_, found) = _file.Info(stored);
        return found.AsSpan().SequenceEqual(shape) ? _file.Read(stored, ScalarType.Float32) : throw Shape(stored, found, shape);
    }

    private InvalidDataException Shape(string stored, long[] found, long[] expected) =>
        new($"'{_file.Name}': '{stored}' has the shape [{string.Join(", ", found)}], but {PeftNames.Config} and the base model ask for [{string.Join(", ", expected)}]. Is it the base that the adapter was trained on?");

    private IEnumerable<string> Names(PeftNames.Part part) => _stored.Keys.Where(k => k.Part == part).Select(k => k.Name);

    private string Stored(PeftNames.Part part, string name) => _stored.TryGetValue((part, name), out var stored) ? stored
        : throw new InvalidDataException($"'{_file.Name}' lacks {(part == PeftNames.Part.Head ? $"the head's '{name}'" : $"the tensor '{PeftNames.Stored(part, IsBare ? PeftNames.BareName(name) : name)}'")}, which {PeftNames.Config} asks for.");
}
