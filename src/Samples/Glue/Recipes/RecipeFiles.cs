using System.Text.Json;
using Microsoft.ML.LoraInit.Samples.Glue.Grid;
using Microsoft.ML.LoraInit.Samples.Glue.Runs;

namespace Microsoft.ML.LoraInit.Samples.Glue.Recipes;

/// <summary>The recipes in the tool, and those of users.</summary>
internal static class RecipeFiles
{
    private const string Prefix = "recipe/";
    private const string Extension = ".json";

    private static readonly JsonSerializerOptions Json = new(RunJson.Options) { AllowTrailingCommas = true, ReadCommentHandling = JsonCommentHandling.Skip, RespectRequiredConstructorParameters = true };

    /// <summary>The names of the recipes in the tool.</summary>
    public static IReadOnlyList<string> Names { get; } =
    [
        .. typeof(RecipeFiles).Assembly.GetManifestResourceNames()
            .Where(n => n.StartsWith(Prefix, StringComparison.Ordinal))
            .Select(n => n[Prefix.Length..^Extension.Length]).Order(StringComparer.Ordinal),
    ];

    /// <summary>A recipe's file as it is.</summary>
    /// <exception cref="UsageException">There is none of the name.</exception>
    public static string Text(string name)
    {
        if (!Names.Contains(name))
            throw new UsageException($"There is no recipe '{name}', nor a file of that name. Recipes: {string.Join(", ", Names)}.");
        using var reader = new StreamReader(typeof(RecipeFiles).Assembly.GetManifestResourceStream(Prefix + name + Extension)!);
        return reader.ReadToEnd();
    }

    public static bool IsInTool(string nameOrFile) => Names.Contains(nameOrFile);

    /// <summary>A recipe of the tool, or a file's.</summary>
    /// <exception cref="UsageException">There is neither, or the file is no recipe; the message says what is wrong.</exception>
    public static Recipe Read(string nameOrFile)
    {
        var inTool = IsInTool(nameOrFile);
        var text = inTool || !File.Exists(nameOrFile) ? Text(nameOrFile) : File.ReadAllText(nameOrFile);
        try
        {
            return Checked(JsonSerializer.Deserialize<Recipe>(text, Json) ?? throw new UsageException("it is empty."));
        }
        catch (Exception e) when (e is JsonException or UsageException)
        {
            throw new UsageException($"The recipe '{nameOrFile}' cannot be used: {e.Message}", e);
        }
    }

    private static Recipe Checked(Recipe recipe)
    {
        if (recipe.Parts.Count == 0)
            throw new UsageException("it has no parts; give at least one, which may have no settings of its own.");
        foreach (var name in recipe.Settings.Keys.Concat(recipe.Parts.SelectMany(p => p.Settings.Keys)))
            if (!GridText.Defaults.ContainsKey(name))
                throw new UsageException($"it sets '{name}', which there is not. Settings: {string.Join(", ", GridText.Defaults.Keys)}.");
        return recipe;
    }
}
