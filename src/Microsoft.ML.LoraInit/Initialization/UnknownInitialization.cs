using System.Text.Json.Nodes;

namespace Microsoft.ML.LoraInit;

/// <summary>
/// The strategy that a model, a checkpoint or a report names and that this process has no type for: name and settings as they were
/// stored, which is how they are shown and saved again.
/// </summary>
/// <remarks>
/// A trained model holds its adapters, so it loads, scores and saves without the strategy. A run can go on from a checkpoint with it
/// too. What it cannot do is start adapters anew: register the type (<see cref="LoraInitialization.Register"/>) for that.
/// </remarks>
public sealed record UnknownInitialization : LoraInitialization
{
    // Text, so that two of them compare by value.
    private readonly string _stored;

    internal UnknownInitialization(string name, JsonObject stored) => (Name, _stored) = (name, stored.ToJsonString());

    /// <inheritdoc/>
    public override string Name { get; }

    /// <summary>Always <see cref="InitializationFamily.Unknown"/>.</summary>
    public override InitializationFamily Family => InitializationFamily.Unknown;

    /// <summary>Name and settings, as they were stored. A new object.</summary>
    internal JsonObject Stored => JsonNode.Parse(_stored)!.AsObject();

    /// <summary>Why it cannot start adapters.</summary>
    internal string Obstacle =>
        $"This process has no initialisation '{Name}': call LoraInitialization.Register for its type first, or choose one of {string.Join(", ", Names)}.";

    /// <summary>Cannot be done.</summary>
    /// <exception cref="InvalidOperationException">Always; the message says what to do.</exception>
    public override IReadOnlyList<InitializedAdapter> Initialize(InitializationContext context) => throw new InvalidOperationException(Obstacle);
}
