using System.Globalization;
using System.Text.RegularExpressions;
using Microsoft.ML.LoraInit.Checkpoints;
using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Roberta;

namespace Microsoft.ML.LoraInit.Adapters;

/// <summary>
/// Decides which linear layers get adapters, of which rank and scale, by PEFT's rules (huggingface/peft,
/// tuners_utils.py and utils/other.py), and refuses settings that could not mean what was intended.
/// </summary>
internal static partial class AdapterPlanner
{
    private const int NamesShown = 24;

    /// <summary>The plan for a model that is not loaded yet: bad settings are told before long work starts.</summary>
    /// <param name="settings">The settings.</param>
    /// <param name="config">The encoder's shape.</param>
    public static IReadOnlyList<AdapterTarget> Plan(AdapterSettings settings, RobertaConfig config) => Plan(settings, Modules(config));

    /// <summary>The linear layers of an encoder of this shape, in the model's order: name, out, in.</summary>
    public static IEnumerable<(string Name, int Outputs, int Inputs)> Modules(RobertaConfig config) =>
        EncoderTensors.Expected(config)
            .Where(t => t.Shape.Length == 2 && t.Name.StartsWith(RobertaNames.Encoder, StringComparison.Ordinal))
            .Select(t => (t.Name[..^".weight".Length], (int)t.Shape[0], (int)t.Shape[1]));

    /// <summary>The targets in the model's order.</summary>
    /// <exception cref="ArgumentException">A setting is out of range or chooses nothing; the message names it and what there is.</exception>
    public static IReadOnlyList<AdapterTarget> Plan(AdapterSettings settings, IEnumerable<(string Name, int Outputs, int Inputs)> modules)
    {
        var (all, names) = (modules.ToArray(), settings.Names);
        CheckNumbers(settings);
        CheckLayers(settings, all);
        if (!settings.AllowsUnusedPatterns && settings.ExcludeModules is { } excluded && !all.Any(m => excluded.Matches(m.Name)))
            throw new ArgumentException($"{names.ExcludeModules} = {excluded} excludes no linear layer of the model. A name must equal a layer's name or its end after a dot, an expression must match the whole name. The layers: {List(all.Select(m => m.Name))}.");

        var chosen = all
            .Where(m => settings.TargetModules.Matches(m.Name) && settings.ExcludeModules?.Matches(m.Name) is not true)
            .Where(m => settings.LayersToTransform is null || (settings.LayerOf(m.Name) is int index && settings.LayersToTransform.Contains(index)))
            .ToArray();
        if (chosen.Length == 0)
            throw new ArgumentException($"{names.TargetModules} = {settings.TargetModules}{(settings.ExcludeModules is null ? "" : $" without {names.ExcludeModules} = {settings.ExcludeModules}")} chooses no linear layer of the model. A name must equal a layer's name or its end after a dot, an expression must match the whole name. The layers: {List(all.Select(m => m.Name))}.");

        var ranks = new Pattern<int>(names.RankPattern, settings.RankPattern, settings.PatternBudget);
        var alphas = new Pattern<double>(names.AlphaPattern, settings.AlphaPattern, settings.PatternBudget);
        var targets = chosen.Select(m => Target(m.Name, m.Outputs, m.Inputs)).ToArray();
        if (!settings.AllowsUnusedPatterns)
        {
            ranks.CheckAllUsed(chosen.Select(m => m.Name));
            alphas.CheckAllUsed(chosen.Select(m => m.Name));
        }
        return targets;

        AdapterTarget Target(string name, int outputs, int inputs)
        {
            var (rank, rankFrom) = ranks.Find(name, settings.Rank, names.Rank);
            var (alpha, alphaFrom) = alphas.Find(name, settings.Alpha, names.Alpha);
            if (rank < 1 || (rank > Math.Min(inputs, outputs) && !settings.AllowsAnyRank))
                throw new ArgumentException($"{rankFrom} = {rank} does not fit '{name}' [{outputs}, {inputs}]: the rank must be from 1 to {Math.Min(inputs, outputs)}.");
            CheckAlpha(alpha, alphaFrom);
            return new(name, inputs, outputs, rank, alpha, settings.RankStabilized);
        }
    }

    /// <summary>The first number between dots, as PEFT's default layers pattern finds it; null where there is none.</summary>
    internal static int? LayerIndex(string module) =>
        LayerNumber().Match(module) is { Success: true } match && int.TryParse(match.Groups[1].Value, CultureInfo.InvariantCulture, out var number) ? number : null;

    [GeneratedRegex(@"^.*?\.[^.]*\.(\d+)\.")]
    private static partial Regex LayerNumber();

    private static void CheckNumbers(AdapterSettings settings)
    {
        if (settings.Rank < 1)
            throw new ArgumentException($"{settings.Names.Rank} = {settings.Rank} is out of range: the rank must be at least 1.");
        CheckAlpha(settings.Alpha, settings.Names.Alpha);
        if (settings.Dropout is not (>= 0 and < 1))
            throw new ArgumentException($"{settings.Names.Dropout} = {settings.Dropout} is out of range: it must lie in [0, 1).");
    }

    private static void CheckAlpha(double alpha, string option)
    {
        if (!(alpha > 0) || !double.IsFinite(alpha))
            throw new ArgumentException($"{option} = {alpha} is out of range: alpha must be a finite number above 0.");
    }

    private static void CheckLayers(AdapterSettings settings, (string Name, int, int)[] modules)
    {
        // A pattern of a file may find no layer at all: then none is chosen, which is told below.
        if (settings.LayersToTransform is not { } layers || settings.LayersPattern.Count > 0)
            return;
        var known = modules.Select(m => LayerIndex(m.Name)).OfType<int>().ToHashSet();
        if (layers.Count == 0)
            throw new ArgumentException($"{settings.Names.LayersToTransform} is empty: name at least one layer, or leave it null for all.");
        foreach (var layer in layers)
            if (!known.Contains(layer))
                throw new ArgumentException($"{settings.Names.LayersToTransform} names layer {layer}, but the model has the layers 0 to {known.Max()}.");
    }

    private static string List(IEnumerable<string> names)
    {
        var all = names.ToArray();
        var shown = string.Join(", ", all.Take(NamesShown));
        return all.Length > NamesShown ? $"{shown} and {all.Length - NamesShown} more" : shown;
    }

    /// <summary>rank_pattern or alpha_pattern: keys match <c>(.*\.)?(key)$</c> from the name's start; the first match counts.</summary>
    private sealed class Pattern<T>
    {
        private readonly string _option;
        private readonly (string Key, LayerPattern Regex, T Value)[] _entries;

        public Pattern(string option, IReadOnlyDictionary<string, T> entries, PatternBudget? budget)
        {
            _option = option;
            budget ??= new();
            _entries = [.. entries.Select(e => (e.Key, Compile(e.Key, budget), e.Value))];
        }

        public (T Value, string From) Find(string module, T otherwise, string option)
        {
            foreach (var (key, regex, value) in _entries)
                if (regex.IsMatch(module))
                    return (value, $"{_option}[\"{key}\"]");
            return (otherwise, option);
        }

        public void CheckAllUsed(IEnumerable<string> modules)
        {
            var names = modules.ToArray();
            foreach (var (key, regex, _) in _entries)
                if (!names.Any(regex.IsMatch))
                    throw new ArgumentException($"{_option} has the key \"{key}\", which matches no adapted layer. A key is a name's end after a dot, or an expression for it. The adapted layers: {List(names)}.");
        }

        private LayerPattern Compile(string key, PatternBudget budget)
        {
            try
            {
                return new LayerPattern(key, @"^(?:(?:.*\.)?(?:{0}))$", budget);
            }
            catch (ArgumentException e)
            {
                throw new ArgumentException($"{_option} has the key \"{key}\", which is not a valid regular expression: {e.Message}", e);
            }
        }
    }
}
