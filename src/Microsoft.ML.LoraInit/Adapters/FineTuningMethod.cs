using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Microsoft.ML.LoraInit.Adapters;
using Microsoft.ML.LoraInit.Roberta;

namespace Microsoft.ML.LoraInit;

/// <summary>
/// What is trained beside the classification head. Create one with the factory methods
/// (<c>FineTuningMethod.Houlsby(size: 64)</c>) or by name with <see cref="Parse"/>. Default: <see cref="Lora"/>.
/// </summary>
/// <remarks>Methods are immutable records: they compare by value and are stored in trained models.</remarks>
public abstract partial record FineTuningMethod
{
    private protected FineTuningMethod()
    {
    }

    /// <summary>The name on the command line, in model files and in reports, such as <c>lora</c>.</summary>
    [JsonIgnore]
    public abstract string Name { get; }

    /// <summary>Every method's name.</summary>
    public static IReadOnlyList<string> Names => FineTuningMethodRegistry.Names;

    /// <summary>Makes a method from its name and, after a colon, settings: <c>lora</c>, <c>houlsby:size=32,skip=2</c>; <c>head-only</c> is <c>head</c>.</summary>
    /// <exception cref="ArgumentException">The name or a setting is unknown, or a value does not fit; the message lists what there is.</exception>
    public static FineTuningMethod Parse(string text) => FineTuningMethodRegistry.Parse(text);

    /// <summary>Name and settings, as trained models and reports store them.</summary>
    public JsonObject ToJson() => FineTuningMethodRegistry.ToJson(this);

    /// <summary>Whether the method puts low-rank adapters on linear layers, so that rank and initialisation count.</summary>
    [JsonIgnore]
    internal virtual bool UsesAdapters => false;

    /// <summary>The method's kind of adapter that model files call this, with the method's settings; null where it has none of the name.</summary>
    internal virtual AdapterKind? Kind(string name) => null;

    /// <summary>Why an initialisation does not go with the method, as the end of a sentence; null where it does, or has no part in it.</summary>
    internal virtual string? Obstacle(LoraInitialization initialization) => null;

    /// <summary>Why the method needs what one device alone has, as the end of a sentence; null where it trains on several too.</summary>
    [JsonIgnore]
    internal virtual string? DevicesObstacle => null;

    /// <summary>Checks the settings against a run's length, before it begins.</summary>
    /// <param name="steps">Optimiser steps of the whole run.</param>
    /// <exception cref="ArgumentException">A setting does not fit.</exception>
    internal virtual void CheckRun(long steps)
    {
    }

    /// <summary>
    /// Whether adapters of this method can start as an initialisation makes them. Methods whose tensors are no A and B start in their own way
    /// and go with the default alone, methods that train no adapters with any, since it has no part in them.
    /// </summary>
    /// <param name="initialization">The initialisation.</param>
    public bool GoesWith(LoraInitialization initialization)
    {
        ArgumentNullException.ThrowIfNull(initialization);
        return Obstacle(initialization) is null;
    }

    /// <summary>What the method does around the steps of one run; null where the optimiser alone acts. Owned by the caller.</summary>
    internal virtual MethodHooks? Hooks(MethodRun run) => null;

    /// <summary>
    /// Whether a training on new classes leaves what a model knows of its old ones as it is: the loss is that of the new classes among themselves, and
    /// of the head their rows alone are trained.
    /// </summary>
    [JsonIgnore]
    internal virtual bool KeepsKnownClasses => false;

    /// <summary>The layers of its own that the method inserts, which are bottlenecks or made of some; or null.</summary>
    [JsonIgnore]
    internal virtual InsertedLayers? Bottlenecks => null;

    /// <summary>The method as a trained model keeps it: without what only its start needs.</summary>
    [JsonIgnore]
    internal virtual FineTuningMethod Stored => this;

    /// <summary>Checks the settings against a model's shape before any long work starts.</summary>
    /// <exception cref="ArgumentException">A setting does not fit.</exception>
    internal virtual void Validate(RobertaConfig config)
    {
    }

    /// <summary>Checks what the method brings along against the base of a training, before any long work starts.</summary>
    /// <param name="identity">The base.</param>
    /// <param name="quantization">How it will be held; null where that is not known yet.</param>
    /// <exception cref="ArgumentException">It belongs to another base.</exception>
    internal virtual void Validate(BaseIdentity identity, BaseQuantization? quantization)
    {
    }

    /// <summary>Whether the method trains this parameter of the base.</summary>
    /// <param name="parameterName">Its full name, such as <c>roberta.encoder.layer.0.attention.self.query.bias</c>.</param>
    /// <param name="adapted">The names of the layers that have low-rank adapters.</param>
    internal virtual bool TrainsBase(string parameterName, IReadOnlySet<string> adapted) => false;

    /// <summary>The layers that get low-rank adapters, in the model's order; none where the method has none.</summary>
    /// <exception cref="ArgumentException">A setting is out of range, or does not fit the model's shape.</exception>
    internal virtual IReadOnlyList<AdapterTarget> Targets(AdapterSettings settings, RobertaConfig config) => [];

    /// <summary>
    /// Marks what is trained and puts what is new on the model. The head is trained in any case.
    /// </summary>
    internal abstract void Apply(RobertaClassifier model, FineTuningPlan plan);

    /// <summary>Marks what is peculiar about the training of what lies on a model, put there by <see cref="Apply"/> or by a model that learns on.</summary>
    internal virtual void Mark(RobertaClassifier model)
    {
    }

    /// <summary>Marks the parameters of the base that <see cref="TrainsBase"/> names; after the adapters are on.</summary>
    private protected void MarkBase(RobertaClassifier model)
    {
        var adapted = model.Linears.Where(l => l.Adapter is not null).Select(l => l.Name).ToHashSet(StringComparer.Ordinal);
        foreach (var parameter in model.BaseParameters)
            parameter.Trained = TrainsBase(parameter.Name, adapted);
    }
}
