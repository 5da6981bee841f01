using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Microsoft.ML.LoraInit.Fuzz;

/// <summary>Spoils JSON by its structure: members missing, twice, of another kind, renamed, added, and values that no writer writes.</summary>
internal static class JsonMutator
{
    private const int Kinds = 6;

    // A text of its own each, so that values which JsonNode cannot hold can be put in afterwards.
    private const string Raw = "@@raw@@", Twice = "@@twice@@";

    private static readonly string[] Values =
    [
        "null", "true", "false", "0", "-1", "1", "2", "1.5", "2147483648", "9223372036854775808", "1e39", "1e400", "-1e39", "1e-46", "16777216",
        "\"\"", "\"x\"", "\"\\ud800\"", "\"NaN\"", "\"Infinity\"", "\"../../../etc/passwd\"", "\"(a+)+$\"", "\"(.*)(.*)(.*)\\\\1\\\\2\"", "[]", "{}", "[null]", "[[]]", "{\"a\":null}", "[1,2,3]", "\"all-linear\"",
    ];

    public static byte[] Mutate(byte[] content, SeededRandom random)
    {
        try
        {
            return Mutate(JsonNode.Parse(content, documentOptions: new() { AllowDuplicateProperties = false }), random);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return content; // spoilt before
        }
    }

    private static byte[] Mutate(JsonNode? root, SeededRandom random)
    {
        var members = new List<(JsonNode Parent, string? Key, int Index)>();
        Collect(root, members);
        if (members.Count == 0)
            return Encoding.UTF8.GetBytes(Values[random.Next(Values.Length)]);
        var (parent, key, index) = members[random.Next(members.Count)];
        var other = members[random.Next(members.Count)];
        var (raw, twice) = ("", "");
        switch (random.Next(Kinds))
        {
            case 0 when key is not null:
                parent.AsObject().Remove(key);
                break;
            case 0:
                parent.AsArray().RemoveAt(index);
                break;
            case 1 when key is not null:
                twice = $"{JsonSerializer.Serialize(key)}:{parent[key]?.ToJsonString() ?? "null"}";
                parent[Twice] = 0;
                break;
            case 2 when key is not null:
                var moved = parent[key]?.DeepClone();
                parent.AsObject().Remove(key);
                parent[key + (random.Next(2) == 0 ? "x" : "\u00e9")] = moved;
                break;
            case 3 when key is not null:
                parent["unknown"] = Raw;
                raw = Values[random.Next(Values.Length)];
                break;
            case 4:
                Set(parent, key, index, (other.Key is null ? other.Parent[other.Index] : other.Parent[other.Key])?.DeepClone());
                break;
            default:
                Set(parent, key, index, Raw);
                raw = Values[random.Next(Values.Length)];
                break;
        }
        return Encoding.UTF8.GetBytes(root!.ToJsonString().Replace($"\"{Raw}\"", raw, StringComparison.Ordinal).Replace($"\"{Twice}\":0", twice, StringComparison.Ordinal));
    }

    private static void Set(JsonNode parent, string? key, int index, JsonNode? value)
    {
        if (key is null)
            parent[index] = value;
        else
            parent[key] = value;
    }

    private static void Collect(JsonNode? node, List<(JsonNode, string?, int)> members)
    {
        if (node is JsonObject map)
            foreach (var (key, value) in map)
            {
                members.Add((map, key, 0));
                Collect(value, members);
            }
        else if (node is JsonArray array)
            for (int i = 0; i < array.Count; i++)
            {
                members.Add((array, null, i));
                Collect(array[i], members);
            }
    }
}
