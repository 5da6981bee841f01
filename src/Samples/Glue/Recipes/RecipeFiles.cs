using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.ML.LoraInit.Samples.Commands.Options;
using Microsoft.ML.LoraInit.Samples.Glue.Grid;
using Microsoft.ML.LoraInit.Samples.Glue.Runs;

namespace Microsoft.ML.LoraInit.Samples.Glue.Recipes;

/// <summary>The recipes in the tool, and those of users.</summary>
internal static partial class RecipeFiles
{
    private const string Prefix = "recipe/";
    private const string Extension = ".json";

    private static readonly JsonSerializerOptions Json = new(RunJson.Options) { AllowTrailingCommas = true, ReadCommentHandling = JsonCommentHandling.Skip, RespectRequiredConstructorParameters = true, AllowDuplicateProperties = false };

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
            throw new UsageException($"There is no recipe '{name}', nor a file of that name. Recipes: {string.Join(", ", Names)}.{Suggestion.For(name, Names)}");
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
        catch (JsonException e)
        {
            // Types of this program say nothing to whoever writes a recipe.
            var what = e.Message.Contains("converted to", StringComparison.Ordinal) ? "this is not what belongs here"
                : Types().Replace(e.Message.Split(" Path:")[0].Split(" LineNumber:")[0].Split(" Consider")[0], "").TrimEnd('.');
            throw new UsageException($"The recipe '{nameOrFile}' cannot be used: {(e.Path is { Length: > 1 } path ? $"{path[2..]}, " : "")}line {e.LineNumber + 1}: {what}. 'glue recipe NAME' prints one that can; a setting is \"ranks\": {{ \"value\": \"8,16\", \"source\": \"…\" }}, a text whatever it holds.", e);
        }
        catch (UsageException e)
        {
            throw new UsageException($"The recipe '{nameOrFile}' cannot be used: {e.Message}", e);
        }
    }

    private static Recipe Checked(Recipe recipe)
    {
        if (recipe.Parts.Count == 0 || recipe.Parts.Contains(null!))
            throw new UsageException($"it has {(recipe.Parts.Count == 0 ? "no parts" : "a part that is null")}; give at least one, which may have no settings of its own.");
        if (recipe.Settings.Concat(recipe.Parts.SelectMany(p => p.Settings)).FirstOrDefault(s => s.Value is null) is { Key: { } empty })
            throw new UsageException($"its '{empty}' is null; leave it out, or give a value.");
        // Results go to a folder of this name where no other is given.
        if (string.IsNullOrWhiteSpace(recipe.Name) || recipe.Name is "." or ".." || Path.GetFileName(recipe.Name) != recipe.Name || recipe.Name.Contains('\\'))
            throw new UsageException($"its name is '{recipe.Name}'; give one that a folder can have.");
        foreach (var name in recipe.Settings.Keys.Concat(recipe.Parts.SelectMany(p => p.Settings.Keys)))
            if (!GridText.Defaults.ContainsKey(name))
                throw new UsageException($"it sets '{name}', which there is not. Settings: {string.Join(", ", GridText.Defaults.Keys)}.");
        return recipe;
    }

    [GeneratedRegex(@" (for|on|contained in) type '[^']*'| any \.NET member( contained)?(?= in|$)")]
    private static partial Regex Types();
}
