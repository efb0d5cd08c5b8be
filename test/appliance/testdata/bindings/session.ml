let by_length (a, _) (b, _) = compare (String.length a) (String.length b)

let () =
  let g = new Guestfs.guestfs () in
  g#add_drive_opts ~format:"raw" Sys.argv.(1);
  g#launch ();
  Printf.printf "devices %s\n" (String.concat " " (Array.to_list (g#list_devices ())));
  List.iter (fun (device, kind) -> Printf.printf "filesystem %s %s\n" device kind)
    (List.sort compare (g#list_filesystems ()));
  Array.iter (fun root ->
      Printf.printf "root %s %s %s %d %s\n" root (g#inspect_get_type root) (g#inspect_get_distro root)
        (g#inspect_get_major_version root) (g#inspect_get_hostname root);
      List.iter (fun (dir, device) ->
          Printf.printf "mount %s %s\n" dir device;
          g#mount device dir) (List.sort by_length (g#inspect_get_mountpoints root));
      Array.iter (fun (a : Guestfs.application2) ->
          Printf.printf "application %s %ld %s\n" a.Guestfs.app2_name a.Guestfs.app2_epoch a.Guestfs.app2_version)
        (g#inspect_list_applications2 root)) (g#inspect_os ());
  Printf.printf "list %s\n" (String.concat " " (Array.to_list (g#ls "/boot")));
  Printf.printf "read %s\n" (String.trim (g#cat "/etc/hostname"));
  let st = g#statns "/etc/shadow" in
  Printf.printf "stat %Lo %Ld %Ld %Ld\n" st.Guestfs.st_mode st.Guestfs.st_uid st.Guestfs.st_gid st.Guestfs.st_size;
  Printf.printf "lines %d\n" (Array.length (g#read_lines "/srv/numbers"));
  g#write "/srv/written" "a\000b\n";
  Printf.printf "written %Ld %s\n" (g#filesize "/srv/written") (g#checksum "md5" "/srv/written");
  let name = Filename.temp_file "numbers" "" in
  g#download "/srv/numbers" name;
  let f = open_out_gen [ Open_append ] 0o600 name in
  output_string f "and more\n";
  close_out f;
  g#upload name "/srv/uploaded";
  Sys.remove name;
  Printf.printf "uploaded %Ld\n" (g#filesize "/srv/uploaded");
  (try ignore (g#cat "/nope")
   with Guestfs.Error message ->
     Printf.printf "error %s\n" message;
     assert (g#last_errno () = 2));
  g#umount_all ();
  g#shutdown ();
  g#close ();
  print_endline "closed"
