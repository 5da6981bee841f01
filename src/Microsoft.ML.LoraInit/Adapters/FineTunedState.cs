using Microsoft.ML.LoraInit.Checkpoints;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Adapters;

/// <summary>
/// What a trained model is made of beside its base: head, adapters, changed base parameters, and how they came about.
/// A model in memory and one read from a file are computed from this by the same code, so that their scores are equal
/// bit for bit.
/// </summary>
internal sealed class FineTunedState : IDisposable
{
    private readonly Dictionary<string, Tensor> _tensors;
    private readonly IReadOnlyList<StoredAdapter> _adapters;
    private readonly HashSet<string> _adapted;

    /// <param name="identity">The base that the tensors belong to.</param>
    /// <param name="config">Its shape.</param>
    /// <param name="outputs">Number of logits.</param>
    /// <param name="description">Method, initialisation and adapters.</param>
    /// <param name="tensors">By name, fp32 on the CPU; taken over, also where this constructor throws.</param>
    /// <param name="stored">The description's text in the file that it was read from, or null.</param>
    /// <exception cref="InvalidDataException">Description and tensors do not fit together or to the base's shape; the message names what.</exception>
    public FineTunedState(BaseIdentity identity, RobertaConfig config, int outputs, FineTunedDescription description, IReadOnlyDictionary<string, Tensor> tensors, string? stored = null)
    {
        Base = identity;
        Config = config;
        Outputs = outputs;
        Description = description;
        Stored = stored;
        _tensors = new(tensors, StringComparer.Ordinal);
        foreach (var tensor in _tensors.Values)
            tensor.DetachFromDisposeScope();
        try
        {
            _adapters = description.Targets(config);
            _adapted = _adapters.Select(a => a.Target.ModuleName).ToHashSet(StringComparer.Ordinal);
            FineTunedDescription.Check(_tensors, Layout());
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public BaseIdentity Base { get; }

    public RobertaConfig Config { get; }

    public int Outputs { get; }

    /// <summary>What was trained and how it started.</summary>
    public FineTunedDescription Description { get; }

    /// <summary>
    /// <see cref="Description"/> as the file has it that this was read from, null for what was trained here: written back as it is,
    /// since it may say more than this version reads, and a file that is saved again does not change.
    /// </summary>
    public string? Stored { get; }

    public FineTuningMethod Method => Description.Method;

    /// <summary>The low-rank adapters in the model's order; empty for methods without.</summary>
    public IReadOnlyList<StoredAdapter> Adapters => _adapters;

    /// <summary>Whether the base was held in 4 bits, so that its quantised form is what the tensors belong to.</summary>
    public bool IsQuantized => Description.BaseQuantization != BaseQuantization.None;

    /// <summary>
    /// Trained values by parameter name; for corrected bases the initial factors <c>{module}.lora_A.initial</c>,
    /// <c>{module}.lora_B.initial</c>, for replaced ones <c>{module}.base</c>. fp32 on the CPU, owned by this.
    /// </summary>
    public IReadOnlyDictionary<string, Tensor> Tensors => _tensors;

    /// <summary>The base parameters that were trained, by name: none, biases, or all of them.</summary>
    public IReadOnlyDictionary<string, Tensor> TrainedBase => EncoderTensors.Expected(Config)
        .Where(t => TrainsBase(t.Name)).ToDictionary(t => t.Name, t => _tensors[t.Name], StringComparer.Ordinal);

    /// <summary>Whether there are bottlenecks, which no plain RoBERTa can hold.</summary>
    public bool HasBottlenecks => Method.Bottlenecks is not null;

    /// <summary>The tensors of bottlenecks as scoring reads them; empty where everything merges. Some may be new, in the caller's scope; none is to be disposed.</summary>
    public IReadOnlyDictionary<string, Tensor> Bottlenecks => Method.Bottlenecks?.ForScoring(Config, _tensors) ?? new Dictionary<string, Tensor>();

    /// <summary>Takes a trained model's state. The model stays as it is and may be disposed afterwards.</summary>
    /// <param name="model">After training.</param>
    /// <param name="method">What it was trained by.</param>
    /// <param name="initialization">How its adapters started; stored only where the method has adapters.</param>
    /// <param name="trained">Trained values by parameter name, such as a snapshot of the best epoch; null to take the model's own.</param>
    /// <param name="optimizer">How the adapters were trained; or null.</param>
    /// <param name="classWeights">How much each class counted; or null.</param>
    public static FineTunedState Capture(
        RobertaClassifier model, FineTuningMethod method, LoraInitialization? initialization, IReadOnlyDictionary<string, Tensor>? trained = null,
        OptimizerDescription? optimizer = null, ClassWeights? classWeights = null)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var adapters = model.Linears.Select(l => l.Adapter).OfType<LinearAdapter>().ToArray();
        var tensors = new Dictionary<string, Tensor>(StringComparer.Ordinal);
        foreach (var parameter in model.Parameters.Except(model.BaseParameters.Where(p => !p.Trained)))
            tensors.Add(parameter.Name, AdapterFactors.Copy(trained is not null && parameter.Trained ? trained[parameter.Name] : parameter.Value, CPU));
        foreach (var adapter in adapters)
            foreach (var (suffix, value) in adapter.Correction?.Tensors() ?? [])
                tensors.Add(adapter.Target.ModuleName + suffix, AdapterFactors.Copy(value, CPU));
        var description = new FineTunedDescription
        {
            Method = method.Stored,
            Initialization = method.UsesAdapters ? initialization : null,
            Adapters = [.. adapters.Select(AdapterDescription.Of)],
            BaseQuantization = model.Base.IsQuantized ? BaseQuantization.Nf4 : BaseQuantization.None,
            Optimizer = method.UsesAdapters ? optimizer : null,
            ClassWeights = classWeights,
        };
        return new(model.Base.Identity, model.Config, model.Outputs, description, tensors);
    }

    /// <summary>The model as it was trained: adapters beside the base, for going on with the training.</summary>
    /// <remarks>Values are rounded to the base's precision where it is not fp32 and they replace base weights.</remarks>
    /// <exception cref="InvalidDataException">The base is another one.</exception>
    public RobertaClassifier Rebuild(BaseWeights weights)
    {
        CheckBase(weights);
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var held = IsQuantized && !weights.IsQuantized ? QuantizedBase.Pack(weights, weights.Device, weights.DType) : weights.AddLease();
        var model = new RobertaClassifier(held, Outputs, Head(weights.Device));
        try
        {
            Attach(model);
            return model;
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <summary>Puts all but the head on a model over the same base, for going on with the training.</summary>
    public void Attach(RobertaClassifier model)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        foreach (var parameter in model.BaseParameters.Where(p => TrainsBase(p.Name)))
        {
            parameter.Trained = true;
            parameter.Replace(_tensors[parameter.Name].to(parameter.ComputeType).to(model.Device).clone());
        }
        var linears = model.Linears.ToDictionary(l => l.Name, StringComparer.Ordinal);
        foreach (var adapter in _adapters)
            AdapterAttacher.Attach(model, linears[adapter.Target.ModuleName], Blueprint(adapter));
        Method.Bottlenecks?.Attach(model, _tensors);
    }

    /// <summary>Whether a weight of the merged model is not the base's own.</summary>
    public bool Changes(string name) =>
        !name.StartsWith("roberta.", StringComparison.Ordinal) || IsQuantized || _tensors.ContainsKey(name) || name.Contains(RobertaNames.OutputFusion, StringComparison.Ordinal) || TrainsBase(name) || _adapters.Any(a => $"{a.Target.ModuleName}.weight" == name);

    /// <summary>
    /// The weights of a plain RoBERTa with head that computes the same as the trained model (bottlenecks apart, see
    /// <see cref="Bottlenecks"/>): base names as in the checkpoint, and <c>classifier.*</c>, which stays fp32.
    /// </summary>
    /// <remarks>
    /// Merged in fp32 on the CPU from the base as given and what is stored, so equal inputs give equal bits. Weights
    /// that stay as they were share the base's memory. The caller owns the tensors.
    /// </remarks>
    /// <exception cref="InvalidDataException">The base is another one.</exception>
    public IReadOnlyDictionary<string, Tensor> MergedWeights(BaseWeights weights, Device device, ScalarType dtype)
    {
        CheckBase(weights);
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var merged = new Dictionary<string, Tensor>(StringComparer.Ordinal);
        var adapters = _adapters.ToDictionary(a => $"{a.Target.ModuleName}.weight", StringComparer.Ordinal);
        foreach (var name in weights.Names)
        {
            using var each = NewDisposeScope();
            var value = adapters.TryGetValue(name, out var adapter) ? Merge(Base32(name), Blueprint(adapter))
                : TrainsBase(name) ? _tensors[name]
                : IsQuantized ? Base32(name)
                : weights[name];
            merged[name] = value.alias().to(dtype).to(device).MoveToOuterDisposeScope();
        }
        foreach (var (name, value) in Head(device))
            merged[name] = value;
        foreach (var value in merged.Values)
            value.DetachFromDisposeScope();
        return merged;

        Tensor Base32(string name) => IsQuantized ? QuantizedBase.Weight(weights, name) : weights[name];
    }

    /// <summary>
    /// A model for inference whatever the method: merged weights, and bottlenecks where there are some. The caller
    /// disposes it; the base is no longer needed.
    /// </summary>
    /// <exception cref="InvalidDataException">The base is another one.</exception>
    public RobertaClassifier BuildMerged(BaseWeights weights, Device device, ScalarType dtype)
    {
        var merged = MergedWeights(weights, device, dtype);
        using var encoder = new BaseWeights(Config, Base, Select(n => weights.Contains(n)));
        var model = new RobertaClassifier(encoder, Outputs, Select(n => !weights.Contains(n)));
        Method.Bottlenecks?.Attach(model, _tensors);
        return model;

        Dictionary<string, Tensor> Select(Func<string, bool> names) => merged.Where(t => names(t.Key)).ToDictionary(StringComparer.Ordinal);
    }

    /// <summary>The same again, with tensors of its own.</summary>
    public FineTunedState Copy()
    {
        using var noGrad = no_grad();
        return new(Base, Config, Outputs, Description, _tensors.ToDictionary(t => t.Key, t => t.Value.clone(), StringComparer.Ordinal), Stored);
    }

    public void Dispose()
    {
        foreach (var tensor in _tensors.Values)
            tensor.Dispose();
    }

    private bool TrainsBase(string name) => Method.TrainsBase(name, _adapted);

    private AdapterBlueprint Blueprint(StoredAdapter adapter) => adapter.Description.Blueprint(adapter.Target, adapter.Kind, _tensors);

    private static Tensor Merge(Tensor weight, AdapterBlueprint blueprint)
    {
        using var scope = NewDisposeScope();
        var plain = weight.to(ScalarType.Float32).cpu();
        var start = blueprint.Correction?.Apply(plain, blueprint.Target.Scaling) ?? plain;
        using var adapter = blueprint.Build(start, CPU);
        return adapter.EffectiveWeight(start).MoveToOuterDisposeScope();
    }

    private Dictionary<string, Tensor> Head(Device device) =>
        ClassificationHead.Layout(Config, Outputs).ToDictionary(t => t.Name, t => _tensors[t.Name].clone().to(device), StringComparer.Ordinal);

    private IEnumerable<(string Name, long[] Shape)> Layout() => ClassificationHead.Layout(Config, Outputs)
        .Concat(EncoderTensors.Expected(Config).Where(t => TrainsBase(t.Name)))
        .Concat(_adapters.SelectMany(a => a.Description.Layout(a.Target, a.Kind)))
        .Concat(Method.Bottlenecks?.Layout(Config) ?? []);

    private void CheckBase(BaseWeights weights)
    {
        if (weights.Identity.Sha256 != Base.Sha256)
            throw new InvalidDataException($"The model was trained on the base '{Base.Id}' with the SHA-256 {Base.Sha256}, but '{weights.Identity.Id}' has {weights.Identity.Sha256}: give it the base that it was trained on.");
        if (weights.IsQuantized && !IsQuantized)
            throw new InvalidOperationException($"The base '{weights.Identity.Id}' is held in 4 bits, and the model was trained on the unquantised one.");
    }
}
