using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Microsoft.ML.LoraInit.Initialization;

namespace Microsoft.ML.LoraInit;

/// <summary>
/// How the adapters' A [r, in] and B [out, r] start. Create one with the factory methods
/// (<c>LoraInitialization.Pissa(iterations: 16)</c>) or by name with <see cref="Parse"/>.
/// </summary>
/// <remarks>
/// Strategies are immutable records: they compare by value, print their settings, and are stored in trained models.
/// </remarks>
public abstract partial record LoraInitialization
{
    /// <summary>For strategies of this library and of others.</summary>
    protected LoraInitialization()
    {
    }

    /// <summary>
    /// The name on the command line, in model files and in reports, such as <c>pissa</c>: lower-case letters, digits and single
    /// hyphens, the same whatever the settings.
    /// </summary>
    [JsonIgnore]
    public abstract string Name { get; }

    /// <summary>What the strategy does to the function that the model computes before the first step.</summary>
    [JsonIgnore]
    public abstract InitializationFamily Family { get; }

    /// <summary>
    /// What the strategy must be given beside the shapes; default nothing. It tells what the strategy costs, and where it cannot run:
    /// without training data, or (gradients) on a base in 4 bits.
    /// </summary>
    [JsonIgnore]
    public virtual InitializationNeeds Needs => InitializationNeeds.None;

    /// <summary>Why the strategy cannot start on a base held in 4 bits, as the end of a sentence; null where it can. By default where it corrects the base or needs gradients.</summary>
    [JsonIgnore]
    public virtual string? QuantizedBaseObstacle =>
        Family == InitializationFamily.BaseCorrected ? "it corrects the base, and W − s·B·A does not lie on the levels of 4 bits"
        : Needs.HasFlag(InitializationNeeds.Gradients) ? "it needs the gradients of the base weights, and weights in 4 bits have none"
        : null;

    /// <summary>Whether another weight takes the place of each adapted one outright, so that no adapter over the untouched base is exactly the model.</summary>
    [JsonIgnore]
    public virtual bool ReplacesBase => false;

    /// <summary>Why the gradients of A and B cannot be preconditioned, as the end of a sentence; null, the default, where they can. A product of three factors, or a frozen one, is such a reason.</summary>
    [JsonIgnore]
    public virtual string? PreconditioningObstacle => null;

    /// <summary>
    /// The strategy as version 0.1.0 had it, for settings that stored models of that version do not name; itself where
    /// nothing has changed. A strategy that is given a new setting whose default changes the result says here what it did before.
    /// </summary>
    [JsonIgnore]
    internal virtual LoraInitialization Former => this;

    /// <summary>The factor that starts at zero, so that its partner learns nothing where it is frozen; none, the default, where both start apart from zero.</summary>
    [JsonIgnore]
    public virtual AdapterFactor ZeroFactor => AdapterFactor.None;

    /// <summary>Whether the strategy is no published method as its paper has it, so that it is left out where all are asked for.</summary>
    [JsonIgnore]
    internal virtual bool IsExperimental => false;

    /// <summary>Every strategy's name: this library's in the order of the documentation, then those registered. A copy.</summary>
    public static IReadOnlyList<string> Names => InitializationRegistry.Names;

    /// <summary>
    /// This library's strategies with their default settings, but those that no paper or code describes: what <c>--inits all</c>
    /// stands for. Registered ones are not among them.
    /// </summary>
    public static IReadOnlyList<LoraInitialization> Published => InitializationRegistry.Published;

    /// <summary>
    /// Makes a strategy known by its name, for this process: <see cref="Parse"/>, <see cref="Names"/> and <see cref="FromJson"/> find
    /// it, and so do models that were trained from it. May be called from any thread, and again for the same type.
    /// </summary>
    /// <typeparam name="T">The strategy; <c>new T()</c> has its default settings.</typeparam>
    /// <remarks>Needed for names only: options take an instance of any strategy, registered or not.</remarks>
    /// <exception cref="ArgumentException">The name is not of the form that names have, or a property could not be restored from a file.</exception>
    /// <exception cref="InvalidOperationException">Another strategy has the name.</exception>
    public static void Register<T>()
        where T : LoraInitialization, new() => InitializationRegistry.Register(new T());

    /// <summary>
    /// Makes a strategy from its name and, after a colon, settings: <c>pissa</c>, <c>pissa:iterations=16</c>,
    /// <c>hrp:rank=64,steps=100</c>.
    /// </summary>
    /// <exception cref="ArgumentException">The name or a setting is unknown, or a value does not parse; the message lists what there is.</exception>
    public static LoraInitialization Parse(string text) => InitializationRegistry.Parse(text);

    /// <summary>The name and every setting, as a model file stores them: <c>{"name":"pissa","iterations":16}</c>. A new object.</summary>
    public JsonObject ToJson() => InitializationRegistry.ToJson(this);

    /// <summary>
    /// Reads what <see cref="ToJson"/> wrote. A setting that is absent did not exist when it was written, and has the value that stands
    /// for what was done then: that of version 0.1.0 for this library's strategies, the default for registered ones.
    /// </summary>
    /// <returns>The strategy, or an <see cref="UnknownInitialization"/> where this process has none of the name.</returns>
    /// <exception cref="ArgumentException">There is no name, a setting is unknown, or a value is of the wrong kind.</exception>
    public static LoraInitialization FromJson(JsonObject json) => InitializationRegistry.FromJson(json);

    /// <summary>Checks the strategy against a layer before any long work starts; called for every layer chosen. By default all is well.</summary>
    /// <param name="target">The layer, with shape, rank and scale.</param>
    /// <exception cref="ArgumentException">The rank or another setting does not fit; the message names the layer.</exception>
    public virtual void Validate(AdapterTarget target)
    {
    }

    /// <summary>
    /// Computes the factors of every target. Called once a run, under no_grad, in a dispose scope of the caller's, after
    /// <see cref="Validate"/> for each target.
    /// </summary>
    /// <param name="context">The layers, and what can be asked of the model and the training rows.</param>
    /// <returns>
    /// One result a target, in the order of <see cref="InitializationContext.Targets"/>. Their tensors belong to the caller's dispose
    /// scope: make them there, or move them out of your own. They are copied, so that a view of something larger does no harm.
    /// </returns>
    /// <remarks>
    /// For reproducible runs draw from <see cref="InitializationContext.Random(AdapterTarget, string)"/> alone. Call
    /// <see cref="InitializationContext.Report"/> once a target or oftener: it also ends a cancelled run.
    /// </remarks>
    public abstract IReadOnlyList<InitializedAdapter> Initialize(InitializationContext context);
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

    /// <summary>Not known here: of <see cref="UnknownInitialization"/> alone.</summary>
    Unknown,
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
