using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Microsoft.ML.LoraInit.Initialization;
using Microsoft.ML.LoraInit.Roberta;

namespace Microsoft.ML.LoraInit;

/// <summary>
/// How the adapters' A [r, in] and B [out, r] start. Create one with the factory methods
/// (<c>LoraInitialization.PiSSA(iterations: 16)</c>) or by name with <see cref="Parse"/>.
/// </summary>
/// <remarks>
/// Strategies are immutable records: they compare by value, print their settings, and are stored in trained models.
/// </remarks>
public abstract partial record LoraInitialization
{
    private protected LoraInitialization()
    {
    }

    /// <summary>The name on the command line, in model files and in reports, such as <c>pissa</c>.</summary>
    [JsonIgnore]
    public abstract string Name { get; }

    /// <summary>What the strategy does to the function that the model computes before the first step.</summary>
    [JsonIgnore]
    public abstract InitializationFamily Family { get; }

    /// <summary>What the strategy must be given beside the shapes; it decides what is prepared, and at what cost.</summary>
    [JsonIgnore]
    public virtual InitializationNeeds Needs => InitializationNeeds.None;

    /// <summary>Why the strategy cannot start on a base held in 4 bits, as the end of a sentence; null where it can.</summary>
    [JsonIgnore]
    internal virtual string? QuantizedBaseObstacle =>
        Family == InitializationFamily.BaseCorrected ? "it corrects the base, and W − s·B·A does not lie on the levels of 4 bits"
        : Needs.HasFlag(InitializationNeeds.Gradients) ? "it needs the gradients of the base weights, and weights in 4 bits have none"
        : null;

    /// <summary>Whether another weight takes the place of each adapted one outright, so that no adapter over the untouched base is exactly the model.</summary>
    [JsonIgnore]
    internal virtual bool ReplacesBase => false;

    /// <summary>Why the gradients of A and B cannot be preconditioned, as the end of a sentence; null where they can.</summary>
    [JsonIgnore]
    internal virtual string? PreconditioningObstacle => null;

    /// <summary>
    /// The strategy as version 0.1.0 had it, for settings that stored models of that version do not name; itself where
    /// nothing has changed. A strategy that is given a new setting whose default changes the result says here what it did before.
    /// </summary>
    [JsonIgnore]
    internal virtual LoraInitialization Former => this;

    /// <summary>The factor that starts at zero, so that its partner learns nothing where it is frozen; none where both start apart from zero.</summary>
    [JsonIgnore]
    internal virtual AdapterFactor ZeroFactor => AdapterFactor.None;

    /// <summary>Whether the strategy is no published method as its paper has it, so that it is left out where all are asked for.</summary>
    [JsonIgnore]
    internal virtual bool IsExperimental => false;

    /// <summary>Every strategy's name, in the order of the documentation.</summary>
    public static IReadOnlyList<string> Names => InitializationRegistry.Names;

    /// <summary>Every strategy with its default settings, but those that no paper or code describes: what <c>--inits all</c> stands for.</summary>
    public static IReadOnlyList<LoraInitialization> Published => InitializationRegistry.Published;

    /// <summary>
    /// Makes a strategy from its name and, after a colon, settings: <c>pissa</c>, <c>pissa:iterations=16</c>,
    /// <c>hrp:rank=64,steps=100</c>.
    /// </summary>
    /// <exception cref="ArgumentException">The name or a setting is unknown, or a value does not parse; the message lists what there is.</exception>
    public static LoraInitialization Parse(string text) => InitializationRegistry.Parse(text);

    /// <summary>The name and every setting, as a model file stores them: <c>{"name":"pissa","iterations":16}</c>. A new object.</summary>
    public JsonObject ToJson() => InitializationRegistry.ToJson(this);

    /// <summary>Checks the strategy against a layer before any long work starts.</summary>
    /// <exception cref="ArgumentException">The rank or another setting does not fit; the message names the layer.</exception>
    internal virtual void Validate(AdapterTarget target)
    {
    }

    /// <summary>Computes the factors of every target. Runs under no_grad, in a dispose scope of the caller's.</summary>
    /// <returns>One result a target, in the targets' order.</returns>
    internal abstract IReadOnlyList<InitializedAdapter> Initialize(InitializationContext context);
}

/// <summary>What an initialisation does to the model's function before the first training step.</summary>
public enum InitializationFamily
{
    /// <summary>W stays as it is and B·A = 0.</summary>
    BaseUntouched,

    /// <summary>B·A ≠ 0 and the base is corrected: W − s·B·A + s·B·A = W.</summary>
    BaseCorrected,

    /// <summary>The function changes on purpose.</summary>
    ChangesFunction,
}

/// <summary>What an initialisation must be given.</summary>
[Flags]
public enum InitializationNeeds
{
    /// <summary>Shapes and a seed.</summary>
    None = 0,

    /// <summary>The base weights.</summary>
    Weights = 1,

    /// <summary>The layers' inputs on training rows.</summary>
    Activations = 2,

    /// <summary>Gradients of the training loss.</summary>
    Gradients = 4,

    /// <summary>A short training run.</summary>
    Training = 8,
}
