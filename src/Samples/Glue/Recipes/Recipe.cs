using System.Text.Json.Serialization;

namespace Microsoft.ML.LoraInit.Samples.Glue.Recipes;

/// <summary>A published experiment as a grid: settings with their sources, in parts that differ in some of them.</summary>
internal sealed record Recipe
{
    public required string Name { get; init; }

    public required string Title { get; init; }

    /// <summary>Where it is published.</summary>
    public required string Source { get; init; }

    /// <summary>The base model of the publication; a command that names no other trains the embedded one, and says so.</summary>
    public RecipeSetting? BaseModel { get; init; }

    /// <summary>Settings of every part, by the names of the command line's options without their dashes.</summary>
    public IReadOnlyDictionary<string, RecipeSetting> Settings { get; init; } = new Dictionary<string, RecipeSetting>();

    /// <summary>At least one; each adds its settings to the common ones, or puts them in their place.</summary>
    public required IReadOnlyList<RecipePart> Parts { get; init; }

    /// <summary>What of the publication it cannot do, one sentence each.</summary>
    public IReadOnlyList<string> LeavesOut { get; init; } = [];
}

/// <summary>Rows of a recipe that share their settings.</summary>
internal sealed record RecipePart
{
    public required string Title { get; init; }

    public IReadOnlyDictionary<string, RecipeSetting> Settings { get; init; } = new Dictionary<string, RecipeSetting>();
}

/// <param name="Value">As on the command line.</param>
/// <param name="Source">Where it is from; "unverified" is part of it where nobody could look it up.</param>
internal sealed record RecipeSetting(string Value, [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Source = null);
