using System.Globalization;
using System.Reflection;
using TorchSharp;

namespace Microsoft.ML.LoraInit.Samples.Commands.Options;

/// <summary>How a type of option is written on the command line.</summary>
/// <param name="Help">What <c>--help</c> shows in its place.</param>
/// <param name="Parse">Reads it; throws <see cref="FormatException"/> with what it has to be.</param>
/// <param name="Format">Writes a value so that <paramref name="Parse"/> reads it back; null for one that is not there.</param>
/// <param name="Choices">The values there are, where they are few.</param>
internal sealed record OptionValue(string Help, Func<string, object> Parse, Func<object, string?> Format, IReadOnlyList<string>? Choices = null)
{
    private static readonly Dictionary<string, Precision> Precisions = new(StringComparer.OrdinalIgnoreCase)
    {
        ["auto"] = Precision.Auto,
        ["fp32"] = Precision.Float32,
        ["bf16"] = Precision.BFloat16,
        ["float32"] = Precision.Float32,
        ["bfloat16"] = Precision.BFloat16,
    };

    /// <summary>How values of a type are written.</summary>
    /// <exception cref="NotSupportedException">Nobody has said so: the type has no static <c>Parse(string)</c> either.</exception>
    public static OptionValue Of(Type type)
    {
        type = Nullable.GetUnderlyingType(type) ?? type;
        if (type == typeof(int))
            return new("N", text => int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int n) ? n : throw Wrong("a whole number", text), Plain);
        if (type == typeof(double))
            return new("X", text => double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double x) ? x : throw Wrong("a number", text), Plain);
        if (type == typeof(bool))
            return new("", text => bool.TryParse(text, out bool yes) ? yes : throw Wrong("true or false", text), value => (bool)value ? "true" : "false");
        if (type == typeof(string))
            return new("TEXT", text => text, Plain);
        if (type == typeof(Precision))
            return new("auto|fp32|bf16", text => Precisions.TryGetValue(text, out var p) ? p : throw Wrong("auto, fp32 or bf16", text), value => Precisions.First(p => p.Value.Equals(value)).Key, ["auto", "fp32", "bf16"]);
        if (type.IsEnum)
            return OfEnum(type);
        if (type == typeof(LoraInitialization))
            return new("NAME[:SETTING=VALUE,…]", Strategy, value => Glue.Grid.InitializationText.Label((LoraInitialization)value));
        if (type == typeof(FineTuningMethod))
            return new("NAME", Method, value => ((FineTuningMethod)value).Name);
        if (type == typeof(RobertaCheckpoint))
            return new("mini|DIR|HUB-ID", RobertaCheckpoint.Parse, Plain);
        if (type == typeof(TargetModules))
            return new("NAMES", TargetModules.Parse, Plain);
        if (type == typeof(ClassWeights))
            return new("none|balanced|CLASS=X,…", Weights, value => value.ToString()!.Replace(": ", "=", StringComparison.Ordinal).Replace(", ", ",", StringComparison.Ordinal));
        if (type == typeof(IReadOnlyList<int>))
            return new("N,…|N..N", Numbers, value => string.Join(',', (IReadOnlyList<int>)value));
        if (type == typeof(IReadOnlyDictionary<string, double>))
            return new("NAME=X,…", text => Pairs(text, "a number above 0", (string v, out double x) => double.TryParse(v, NumberStyles.Float, CultureInfo.InvariantCulture, out x) && x > 0), Pairs<double>);
        if (type == typeof(IReadOnlyDictionary<string, int>))
            return new("NAME=N,…", text => Pairs(text, "a whole number above 0", (string v, out int n) => int.TryParse(v, NumberStyles.None, CultureInfo.InvariantCulture, out n) && n > 0), Pairs<int>);
        if (type == typeof(torch.Device) || type == typeof(IReadOnlyList<torch.Device>))
            return new("cpu|cuda[:N],…", DeviceNames.Parse, value => string.Join(',', value as IEnumerable<torch.Device> ?? [(torch.Device)value]));
        return type.GetMethod("Parse", BindingFlags.Public | BindingFlags.Static, [typeof(string)]) is { } parse && parse.ReturnType.IsAssignableTo(type)
            ? new("TEXT", text => Invoke(parse, text), Plain)
            : throw new NotSupportedException($"Options of the type {type} cannot be written on the command line: give it a static Parse(string), or say in {nameof(OptionValue)} how.");
    }

    private static OptionValue OfEnum(Type type)
    {
        var names = Enum.GetValues(type).Cast<object>().ToDictionary(v => Kebab(v.ToString()!), StringComparer.OrdinalIgnoreCase);
        return new(
            string.Join('|', names.Keys),
            text => names.TryGetValue(text, out var value) ? value : throw new FormatException($"'{text}' is none of {string.Join(", ", names.Keys)}.{Suggestion.For(text, names.Keys)}"),
            value => Kebab(value.ToString()!),
            [.. names.Keys]);
    }

    /// <summary><c>MaxGradientNorm</c> as <c>max-gradient-norm</c>; <c>Nf4</c> as <c>nf4</c>.</summary>
    public static string Kebab(string name) => string.Concat(name.Select((c, i) => char.IsUpper(c) ? (i == 0 ? "" : "-") + char.ToLowerInvariant(c) : c.ToString()));

    private static object Strategy(string text)
    {
        var name = text.Split(':')[0];
        try
        {
            return LoraInitialization.Parse(text);
        }
        catch (ArgumentException e) when (!LoraInitialization.Names.Contains(name, StringComparer.OrdinalIgnoreCase))
        {
            throw new FormatException(e.Message + Suggestion.For(name, LoraInitialization.Names), e);
        }
    }

    private static object Method(string text)
    {
        var name = text.Split(':')[0];
        try
        {
            return FineTuningMethod.Parse(text);
        }
        catch (ArgumentException e) when (!FineTuningMethod.Names.Contains(name, StringComparer.OrdinalIgnoreCase))
        {
            throw new FormatException(e.Message + Suggestion.For(name, FineTuningMethod.Names), e);
        }
    }

    private static object Weights(string text) => text switch
    {
        "none" => ClassWeights.None,
        "balanced" => ClassWeights.Balanced,
        _ when text.Contains('=') => ClassWeights.PerClass(Pairs(text, "a number above 0", (string v, out double x) => double.TryParse(v, NumberStyles.Float, CultureInfo.InvariantCulture, out x) && x > 0)),
        _ => throw Wrong("none, balanced or a weight for every class, such as spam=2,other=1", text),
    };

    private static int[] Numbers(string text)
    {
        List<int> numbers = [];
        foreach (var part in text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            var ends = part.Split("..");
            if (ends.Length > 2 || !ends.All(e => int.TryParse(e, NumberStyles.None, CultureInfo.InvariantCulture, out _)))
                throw Wrong("numbers from 0 with commas between, or FIRST..LAST", text);
            var (first, last) = (int.Parse(ends[0], CultureInfo.InvariantCulture), int.Parse(ends[^1], CultureInfo.InvariantCulture));
            numbers.AddRange(Enumerable.Range(first, Math.Max(0, last - first + 1)));
        }
        return numbers.Count > 0 ? [.. numbers] : throw Wrong("numbers from 0 with commas between, or FIRST..LAST", text);
    }

    private delegate bool Reader<T>(string text, out T value);

    private static Dictionary<string, T> Pairs<T>(string text, string what, Reader<T> read)
    {
        var pairs = new Dictionary<string, T>(StringComparer.Ordinal);
        foreach (var part in text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            int at = part.LastIndexOf('=');
            if (at < 1 || !read(part[(at + 1)..].Trim(), out var value))
                throw new FormatException($"'{part}' is not a name with = and {what} behind it.");
            pairs[part[..at].Trim()] = value;
        }
        return pairs.Count > 0 ? pairs : throw Wrong("NAME=VALUE, several with commas between", text);
    }

    private static string? Pairs<T>(object value) =>
        (IReadOnlyDictionary<string, T>)value is { Count: > 0 } pairs ? string.Join(',', pairs.Select(p => string.Create(CultureInfo.InvariantCulture, $"{p.Key}={p.Value}"))) : null;

    private static object Invoke(MethodInfo parse, string text)
    {
        try
        {
            return parse.Invoke(null, [text])!;
        }
        catch (TargetInvocationException e) when (e.InnerException is { } inner)
        {
            throw new FormatException(inner.Message, inner);
        }
    }

    private static string? Plain(object value) => Convert.ToString(value, CultureInfo.InvariantCulture);

    private static FormatException Wrong(string expected, string text) => new($"expected is {expected}, not '{text}'.");
}
