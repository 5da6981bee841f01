using Microsoft.ML.LoraInit.Samples.Glue.Grid;

namespace Microsoft.ML.LoraInit.Samples.Glue.Recipes;

/// <summary>A recipe as grids for the data and the base model at hand, with what had to be left out of it.</summary>
/// <param name="Parts">A grid a part; none where nothing is left.</param>
/// <param name="LeftOut">Sentences.</param>
internal sealed record RecipePlan(IReadOnlyList<GridSpec> Parts, IReadOnlyList<string> LeftOut)
{
    /// <param name="recipe">The recipe.</param>
    /// <param name="given">What the command line says instead, by setting.</param>
    /// <param name="model">A grid that has the base model.</param>
    /// <param name="maxLength">Tokens that the base model takes at most.</param>
    /// <param name="check">Refuses a method that does not fit the base model, by an <see cref="ArgumentException"/>.</param>
    /// <param name="hasData">Whether a task's files are at hand.</param>
    /// <param name="tolerant">Whether strategies that this version does not have are left out, rather than refused.</param>
    /// <exception cref="ArgumentException">A setting does not parse.</exception>
    public static RecipePlan Of(
        Recipe recipe, IReadOnlyDictionary<string, string?> given, GridSpec model, int maxLength, Action<FineTuningMethod> check, Func<string, bool> hasData, bool tolerant)
    {
        var leftOut = new List<string>(recipe.LeavesOut);
        var specs = new List<GridSpec>();
        foreach (var part in recipe.Parts)
        {
            var texts = Texts(recipe, part, given);
            if (tolerant && !KeepKnown(texts, part, check, leftOut))
                continue;
            var spec = GridText.Read(texts, model);
            var tasks = spec.Tasks.Where(hasData).ToArray();
            foreach (var missing in spec.Tasks.Except(tasks))
                Say(leftOut, $"{missing}: its files are not in the data folder.");
            if (tasks.Length == 0)
                continue;
            foreach (var task in tasks)
                if (spec.Start.For(task) is { } start && GlueTask.All.Any(t => t.Name == start) && !hasData(start))
                    Say(leftOut, $"the start of {task} from {start}: {start}'s files are not in the data folder, so that {task} starts from a fresh adapter. --start {task}=DIR names an adapter.");
            var starts = tasks.Where(t => spec.Start.For(t) is { } start && (GlueTask.All.All(k => k.Name != start) || hasData(start))).ToDictionary(t => t, t => spec.Start.For(t));
            if (spec.MaxLength > maxLength)
                Say(leftOut, $"rows of {spec.MaxLength} tokens: the base model takes {maxLength}, and longer rows are cut there.");
            specs.Add(spec with { Tasks = tasks, Start = new(null, starts), MaxLength = spec.MaxLength > maxLength ? maxLength : spec.MaxLength });
        }
        return new(specs, leftOut);
    }

    private static Dictionary<string, string?> Texts(Recipe recipe, RecipePart part, IReadOnlyDictionary<string, string?> given)
    {
        var texts = new Dictionary<string, string?>(StringComparer.Ordinal);
        foreach (var (name, setting) in recipe.Settings.Concat(part.Settings))
            texts[name] = setting.Value;
        foreach (var (name, text) in given)
            texts[name] = text;
        return texts;
    }

    // A version without a strategy or a method still does the rest of the experiment.
    private static bool KeepKnown(Dictionary<string, string?> texts, RecipePart part, Action<FineTuningMethod> check, List<string> leftOut)
    {
        foreach (var (name, parse) in new (string, Action<string>)[] { ("inits", text => InitializationText.Expand(text)), ("methods", text => check(Runs.Methods.Of(text))) })
        {
            if (!texts.TryGetValue(name, out var list) || list is null or "all")
                continue;
            var known = GridText.Listed(list).Where(item => Parses(item, parse, leftOut)).ToArray();
            if (known.Length == 0)
            {
                Say(leftOut, $"the part '{part.Title}': nothing of its {name} is left.");
                return false;
            }
            texts[name] = string.Join(known.Any(k => k.Contains(':')) ? ';' : ',', known);
        }
        return true;
    }

    private static bool Parses(string item, Action<string> parse, List<string> leftOut)
    {
        try
        {
            parse(item);
            return true;
        }
        catch (ArgumentException e)
        {
            Say(leftOut, $"{item}: {e.Message.ReplaceLineEndings(" ")}");
            return false;
        }
    }

    private static void Say(List<string> leftOut, string sentence)
    {
        if (!leftOut.Contains(sentence))
            leftOut.Add(sentence);
    }
}
